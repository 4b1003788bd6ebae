"""Programs that follow each other, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.programs.program import Program


def join_programs(programs: Sequence[Program]) -> tuple[Program, NDArray[np.int64]]:
    """One program of parts that follow each other in every lane, and [events] where each of its events was among those
    of all parts, one part after the other.
    """
    first = programs[0]
    count, accesses, tags = (
        np.cumsum([0, *(len(getattr(program, table)) for program in programs)]).tolist()
        for table in ("events", "accesses", "tags")
    )
    starts = [program.lane_starts.tolist() for program in programs]
    events, order = np.empty(count[-1], first.events.dtype), np.empty(count[-1], np.int64)
    end = 0
    for lane in range(len(first.lanes)):
        for part, program in enumerate(programs):
            rows = slice(starts[part][lane], starts[part][lane + 1])
            begin, end = end, end + rows.stop - rows.start
            events[begin:end] = program.events[rows]
            events["first_access"][begin:end] += np.uint32(accesses[part])
            events["tag"][begin:end] += np.uint32(tags[part])
            order[begin:end] = count[part] + np.arange(rows.start, rows.stop)
    whole = Program(
        first.lanes,
        events,
        np.concatenate([program.accesses for program in programs]),
        np.concatenate([program.tags for program in programs]),
        first.machine,
        first.meta,
    )
    return whole, order
