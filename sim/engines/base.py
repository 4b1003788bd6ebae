"""What every engine is: it runs a program on a machine and returns its timeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from moe_cosim.assumptions import Assumption
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, read_options
from moe_cosim.registry import Registry
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import Program

Progress = Callable[[float], None]
"""Called now and then with the share of events that have ended."""


class Engine(ABC):
    """Knows events and components; nothing of experts, layers or bits.

    Contract (`moe_cosim.testing.EngineContract`): equal input gives equal picoseconds; every byte of the
    program moves; no resource carries more than its rate; no event ends before its floor.
    """

    summary: ClassVar[str]
    options_class: ClassVar[type[Options]] = Options
    """What `from_options` takes."""
    data_files: ClassVar[tuple[str, ...]] = ()
    """Files beside its modules that decide its numbers, as patterns below the package moe_cosim."""
    times_events: ClassVar[bool] = True
    """Whether start and end of single events mean anything; else no timeline is kept, traced or replayed."""

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: object) -> Self:
        """The engine with an experiment's options for it; `InputError` for what does not fit `options_class`."""
        read_options(cls.options_class, options, where, "engine")
        return cls()

    def for_experiment(self, experiment: Experiment) -> Self:
        """The engine as it runs this one; most run all alike. Raises `InputError` for what it cannot run."""
        return self

    def run_blocks(
        self, machine: Machine, blocks: Iterable[Program], progress: Progress | None = None
    ) -> Iterator[Timeline]:
        """The timelines of a run's `blocks`, each when all its events have ended, in their order.

        Blocks follow each other in every lane; their tokens are numbered through the run, and a wait may name
        one that an earlier block signals, never a later one. `Timeline.last_signal` counts events through the
        run: those of all blocks before, then the rows of the block. Here everything is joined and run at once; an
        engine that need not have it all overrides this.
        """
        parts = list(blocks)
        program, order = join_programs(parts)
        return self.run(machine, program, progress).cut(order, [len(part.events) for part in parts])

    @property
    def takes_blocks(self) -> bool:
        """Whether it runs blocks as they come; else a run may as well be given to it whole."""
        return type(self).run_blocks is not Engine.run_blocks

    def assumed(self, machine: Machine) -> list[Assumption]:
        """What the engine takes in the place of what the machine says; most take nothing."""
        return []

    @abstractmethod
    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        """Raises `RunError` when the program cannot end (a deadlock names the waiting lanes)."""


engines: Registry[type[Engine]] = Registry(
    "engine",
    "engines",
    ("moe_cosim.sim.engines.embedded", "moe_cosim.sim.engines.sst.engine", "moe_cosim.sim.engines.makespan.engine"),
)


def engine_of(experiment: Experiment) -> Engine:
    """The engine an experiment names, with its options; `InputError` for an unknown one."""
    where = experiment.where
    chosen = engines.get(experiment.engine_name, where, "engine")
    return chosen.from_options(experiment.engine_options, where).for_experiment(experiment)
