"""How long a run's kernels and steps took, one by one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.workloads.programs.program import PHASES, PURPOSES, SIGNAL, STREAM

APART: Final = ("purpose", "unit", "phase", "bound")
"""What kernels may be told apart by."""


def kernel_seconds(run: KeptRun, apart: str = "purpose") -> dict[str, NDArray[np.float64]]:
    """Seconds of each kernel and copy, rising, [events] by what `apart` names. Streams that continue a kernel are part
    of it. Raises `InputError` for another `apart`.
    """
    if apart not in APART:
        raise InputError("kernels", "by", apart, APART)
    timeline = run.timeline
    events = timeline.program.events
    begins = (events["kind"] != STREAM) | (events["count"] != 1)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(events)) - 1
    works = events["kind"][first] < SIGNAL
    first, last = first[works], last[works]
    seconds = (timeline.end_ps[last] - timeline.start_ps[first]) / 1e12
    names, code = _named(run, apart, first, last)
    found = {name: np.sort(seconds[code == index]) for index, name in enumerate(names)}
    return {name: each for name, each in found.items() if len(each)}


def step_seconds(run: KeptRun) -> NDArray[np.float64]:
    """[decode steps] from the end of the head of the step before, when its tokens are there, to that of its own."""
    timeline = run.timeline
    program = timeline.program
    heads = np.flatnonzero(program.tags["purpose"][program.events["tag"]] == PURPOSES.index("head"))
    step = program.tags["step"][program.events["tag"][heads]]
    ends_ps = np.zeros(int(step.max(initial=0)) + 1, np.int64)
    np.maximum.at(ends_ps, step, timeline.end_ps[heads])
    return np.diff(ends_ps) / 1e12


def _named(
    run: KeptRun, apart: str, first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """All names there are, and the place among them of each kernel."""
    program, bound = run.timeline.program, run.timeline.bound
    if apart == "unit":
        names = list(dict.fromkeys(unit for unit, _ in program.lanes))
        lanes = np.array([names.index(unit) for unit, _ in program.lanes])
        return names, lanes[program.events["lane"][first]]
    if apart == "bound":
        assert bound is not None  # a kept run has it
        return list(BOUNDS), bound[last].astype(np.int64)
    tags = program.tags[program.events["tag"][first]]
    return list(PURPOSES if apart == "purpose" else PHASES), tags[apart].astype(np.int64)
