"""Runs the compiled kernel slice by slice, and says in words how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np

from moe_cosim.errors import RunError
from moe_cosim.hw_models.components import LINE_BYTES
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, option, read_options
from moe_cosim.sim.engines.base import Engine, Progress, engines
from moe_cosim.sim.engines.embedded.flatten import flatten
from moe_cosim.sim.engines.embedded.state import KernelState, ended_events, new_state
from moe_cosim.sim.engines.embedded.tables import LONGEST_PS
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.program import WAIT, Program

EVENTS_PER_SLICE: Final = 50_000
"""Between two looks at the keyboard and the progress bar: a small part of a second."""

_NAMED_LANES: Final = 8


class EmbeddedOptions(Options):
    line_size: Literal[32, 64, 128, 256, 512, 1024, 2048, 4096] = option(
        LINE_BYTES, "what a unit asks for at a time", unit="bytes"
    )


@engines.register("embedded")
class EmbeddedEngine(Engine):
    """Flow level, event driven, no program outside Python.

    Rates are max-min fair (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2), each
    flow weighing on a memory by one over the share of the peak its access pattern reaches.
    `events_per_slice` changes no result.
    """

    summary: ClassVar[str] = "flow level: transfers share resources max-min fairly (fast, no outside program)"
    options_class = EmbeddedOptions

    def __init__(self, events_per_slice: int = EVENTS_PER_SLICE, line_bytes: int = LINE_BYTES) -> None:
        self.events_per_slice = events_per_slice
        self.line_bytes = line_bytes

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: object) -> Self:
        return cls(line_bytes=read_options(EmbeddedOptions, options, where, "engine").line_size)

    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        """Raises `InputError` before the run where program and machine do not fit, `RunError` for a
        deadlock or a time beyond 13 days."""
        from moe_cosim.sim.engines.embedded import kernel  # Numba takes a while to import; only a run needs it

        flat = flatten(machine, program, self.line_bytes)
        state = new_state(flat)
        events = len(program.events)
        outcome = kernel.RUNNING
        while outcome == kernel.RUNNING:
            outcome = kernel.advance(flat, state, self.events_per_slice)
            if progress is not None:
                progress(ended_events(state) / events if events else 1.0)
        if ended_events(state) < events:
            raise RunError(_why_stuck(program, state))
        return Timeline(state.start_ps, state.end_ps, state.bound, state.last_signal)


def _why_stuck(program: Program, state: KernelState) -> str:
    at = state.lane["next"]
    stuck = np.flatnonzero(at < state.lane["end"]).tolist()
    waiting = [lane for lane in stuck if program.events["kind"][at[lane]] == WAIT]
    if (
        waiting != stuck or state.lane["time_ps"].max() >= LONGEST_PS
    ):  # some lane moves bytes still: the kernel gave up at its limit of time
        return "the run takes more than 13 days of simulated time: some rate, size or duration must be wrong"
    named = []
    for lane in stuck[:_NAMED_LANES]:
        event = int(at[lane])
        named.append(f"{'.'.join(program.lanes[lane])} at event {event} (token {program.events['token'][event]})")
    more = f" and {len(stuck) - _NAMED_LANES} more lanes" if len(stuck) > _NAMED_LANES else ""
    return f"deadlock: these lanes wait for signals that never come: {', '.join(named)}{more}"
