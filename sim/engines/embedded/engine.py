"""Runs the compiled kernel slice by slice, and says in words how a run ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, Self

from moe_cosim.hw_models.components import LINE_BYTES
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, option, read_options
from moe_cosim.sim.engines.base import Engine, Progress, engines
from moe_cosim.sim.engines.embedded.block_run import BlockRun
from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.embedded.state import KernelState, ended_events
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import Program

EVENTS_PER_SLICE: Final = 50_000
"""Between two looks at the keyboard and the progress bar: a small part of a second."""


class EmbeddedOptions(Options):
    """How finely the engine looks at traffic."""

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
        return next(self.run_blocks(machine, [program], progress))

    def run_blocks(
        self, machine: Machine, blocks: Iterable[Program], progress: Progress | None = None
    ) -> Iterator[Timeline]:
        """What has not ended of the blocks so far, and the next block, are all that is kept of them.

        `progress` hears the share of the events known so far. A lane that has no event in a block goes on with
        a wait for a signal of the block it goes on in: else, `RunError` where the other lanes are ahead.
        """
        from moe_cosim.sim.engines.embedded.kernel import advance  # Numba takes a while to import; only a run needs it

        def step(flat: FlatProgram, state: KernelState, known: int) -> int:
            outcome = advance(flat, state, self.events_per_slice)
            if progress is not None:
                progress(ended_events(state) / known if known else 1.0)
            return outcome

        return BlockRun(machine, self.line_bytes).timelines(blocks, step)
