"""Programs that follow each other, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.program import Program


def join_programs(programs: Sequence[Program]) -> tuple[Program, NDArray[np.int64]]:
    """One program of parts that follow each other in every lane, and where each of its events was among
    those of all parts, one part after the other."""
    events = np.concatenate([program.events for program in programs])
    accesses = np.cumsum([0, *(len(program.accesses) for program in programs)])
    tags = np.cumsum([0, *(len(program.tags) for program in programs)])
    count = [len(program.events) for program in programs]
    events["first_access"] += np.repeat(accesses[:-1], count).astype(np.uint32)
    events["tag"] += np.repeat(tags[:-1], count).astype(np.uint32)
    order = np.argsort(events["lane"], kind="stable")
    first = programs[0]
    whole = Program(
        first.lanes,
        events[order],
        np.concatenate([program.accesses for program in programs]),
        np.concatenate([program.tags for program in programs]),
        first.machine,
        first.meta,
    )
    return whole, order
