"""What a batch scheduler has to offer, and the registry of those known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from moe_cosim.errors import RunError
from moe_cosim.registry import Registry
from moe_cosim.sim.batch.command_runner import CommandRunner
from moe_cosim.sim.batch.site import Site

S = TypeVar("S", bound=Site)


class JobState(StrEnum):
    """Where the scheduler sees an element of an array."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timed out"
    GONE = "gone"
    """The scheduler no longer knows it (or never did)."""

    @property
    def active(self) -> bool:
        """Whether the element will still do something by itself."""
        return self in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True)
class Seen:
    """An element's state, and the scheduler's own word for it."""

    state: JobState
    word: str


@dataclass(frozen=True)
class Job:
    """What is asked of a scheduler: one script, as an array or alone."""

    name: str
    """Letters, digits, ``-`` and ``_`` only."""
    script: str
    """File name in the folder that the job is submitted from."""
    elements: int
    """Size of the array, numbered from 1; 0 is a job without an array."""
    time_s: int | None = None
    """Time limit; None leaves the site's."""
    warning_s: int = 120
    """How long before the limit an element is told (SIGUSR1)."""
    ranks: int = 1
    """MPI ranks of one point."""
    after: tuple[str, ...] = ()
    """Jobs that must have ended, however they ended."""
    memory_bytes: int | None = None
    """What an element needs, for where the site file says nothing of memory; None leaves the scheduler's default."""

    @property
    def megabytes(self) -> int | None:
        """Of memory, rounded up."""
        return None if self.memory_bytes is None else -(-self.memory_bytes // 10**6)


@dataclass(frozen=True)
class Command:
    """A program to run in the submission's folder, perhaps with a file of it as input."""

    argv: tuple[str, ...]
    stdin: str | None = None


class Scheduler(ABC, Generic[S]):
    """One batch system, in its own words. Stateless but for the site file.

    `moe_cosim.testing.SchedulerContract` holds what every subclass must do.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    site_class: ClassVar[type[Site]]
    template: ClassVar[tuple[str, str]] = ("moe_cosim.templates", "batch")
    """Package and folder of ``<name>.sh.j2``, which extends ``base.sh.j2`` of ``templates/batch``."""
    max_elements: ClassVar[int | None]
    """Elements an array may have where the site file does not say (the default of the scheduler)."""
    warns: ClassVar[bool]
    """The scheduler sends SIGUSR1 before the time limit; where not, an element watches the clock itself."""
    ended_already: ClassVar[tuple[str, ...]]
    """Words of the complaint when a job to cancel has ended."""
    cores_variable: ClassVar[str | None] = None
    """Where an element finds how many processors of its node are its own; None: what was asked for."""
    requeue_exit_code: ClassVar[int] = 0
    """What an element exits with that wants to run again."""

    def __init__(self, site: S, run_command: CommandRunner | None = None) -> None:
        self.site = site
        self.run_command = run_command or CommandRunner()

    @abstractmethod
    def options(self, job: Job) -> list[str]:
        """What the script's first lines ask for, an option each."""

    @abstractmethod
    def submission(self, job: Job) -> Command:
        """What submits the script."""

    @abstractmethod
    def job_ids(self, printed: str, job: Job) -> list[str]:
        """Ids in what the submission printed; `RunError` when there are none."""

    @abstractmethod
    def cancellation(self, job_ids: Sequence[str]) -> Command:
        """What ends jobs, arrays whole."""

    def cancel(self, job_ids: Sequence[str]) -> None:
        """End jobs. Those that have ended already are no error; `RunError` when any other cannot be ended."""
        command = self.cancellation(job_ids)
        answer = self.run_command(command.argv)
        if answer.status == 0:
            return
        for line in (answer.err or answer.out).splitlines():
            if line.strip() and not any(word in line for word in self.ended_already):
                raise RunError(f"{command.argv[0]}: {line.strip()}")

    @abstractmethod
    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        """States of an array's elements by number; those not named are gone.

        `RunError` when the scheduler cannot be asked.
        """

    def requeue(self, environ: Mapping[str, str]) -> Command | None:
        """What puts the element that asks back in the queue; None where an exit code does, or nothing."""
        return None

    def cpus(self) -> int:
        """Processors of one element that are for points side by side."""
        return 1

    def cores(self, environ: Mapping[str, str]) -> int:
        """What the element that asks was given of its node: all of it, say, where nodes are not shared."""
        said = environ.get(self.cores_variable, "") if self.cores_variable is not None else ""
        return max(1, int(said)) if said.isdecimal() else self.cpus()


schedulers: Registry[type[Scheduler[Any]]] = Registry(
    "scheduler",
    "schedulers",
    tuple(f"moe_cosim.sim.batch.schedulers.{module}" for module in ("slurm", "pbs", "lsf", "flux", "grid_engine")),
)


def site_class(name: str, where: object) -> type[Site]:
    """Of the scheduler called `name`; raises `InputError` naming `where` for an unknown one."""
    return schedulers.get(name, where, "scheduler").site_class
