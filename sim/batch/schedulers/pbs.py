"""PBS Pro and OpenPBS: qsub, qstat, qdel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from moe_cosim.errors import RunError
from moe_cosim.schema import Count
from moe_cosim.sim.batch.base import Command, Job, JobState, Scheduler, Seen, schedulers
from moe_cosim.sim.batch.site import Site, Time, Word, hours_minutes_seconds, parse_time

# qstat(1B), "state": B is an array that has begun, X a subjob that has ended, F a job in the history
_STATES: Final = dict.fromkeys("QHWTBM", JobState.PENDING) | dict.fromkeys("RESU", JobState.RUNNING)
_KILLED_FOR_WALLTIME: Final = -29  # JOB_EXEC_KILL_WALLTIME in pbs_error.h
_SIGNALLED: Final = 256  # an Exit_status above it is a signal


class PbsSite(Site):
    """In PBS's words."""

    queue: Word | None = None
    """Queue."""
    account: Word | None = None
    """Who pays (``-A``)."""
    project: Word | None = None
    """The project it is for (``-P``)."""
    ncpus: Count = 1
    """Processors of an element: so many points side by side."""
    mem: Word | None = None
    """Memory of an element, as ``16gb``."""
    place: Word | None = None
    """How an element lies on nodes (``-l place=``)."""
    walltime: Time | None = None
    """Time limit of an element."""

    @property
    def limit_s(self) -> int | None:
        return None if self.walltime is None else parse_time(self.walltime, "site", "walltime")


@schedulers.register("pbs")
class Pbs(Scheduler[PbsSite]):
    name: ClassVar[str] = "pbs"
    summary: ClassVar[str] = "PBS Pro, OpenPBS (qsub -J)"
    site_class: ClassVar[type[Site]] = PbsSite
    max_elements: ClassVar[int | None] = 10_000  # PBS Pro Administrator's Guide, max_array_size
    warns: ClassVar[bool] = False  # SIGTERM at the limit, and SIGKILL kill_delay (10 s) later
    cores_variable: ClassVar[str | None] = "NCPUS"
    ended_already: ClassVar[tuple[str, ...]] = ("has finished", "Unknown Job")

    def options(self, job: Job) -> list[str]:
        site = self.site
        options = [f"-N {job.name}"]
        if job.elements > 1:  # a range of one is refused
            options.append(f"-J 1-{job.elements}")
        if job.elements:
            ranks = f":mpiprocs={job.ranks}" if job.ranks > 1 else ""
            options.append(f"-l select=1:ncpus={site.ncpus * job.ranks}{ranks}{self._mem(job)}")
            options.append("-r y")
        else:
            options.append("-l select=1:ncpus=1")
        if site.place is not None:
            options.append(f"-l place={site.place}")
        if job.time_s is not None:
            options.append(f"-l walltime={hours_minutes_seconds(job.time_s)}")
        for letter, value in (("q", site.queue), ("A", site.account), ("P", site.project)):
            if value is not None:
                options.append(f"-{letter} {value}")
        return [*options, "-j oe", "-o /dev/null", *site.options]

    def _mem(self, job: Job) -> str:
        mem = self.site.mem or (None if job.megabytes is None else f"{job.megabytes}mb")
        return "" if mem is None else f":mem={mem}"

    def submission(self, job: Job) -> Command:
        after = ("-W", f"depend=afterany:{':'.join(job.after)}") if job.after else ()
        return Command(("qsub", *after, job.script))

    def job_ids(self, printed: str, job: Job) -> list[str]:
        for line in printed.splitlines():
            if re.fullmatch(r"\d+(?:\[\])?(?:\.[\w.-]+)?", line.strip()):
                return [line.strip()]
        raise RunError(f"qsub: no job id in {printed.strip()!r}")

    def cancellation(self, job_ids: Sequence[str]) -> Command:
        return Command(("qdel", *job_ids))

    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        answer = self.run_command(("qstat", "-x", "-t", "-f", *job_ids))
        if answer.status != 0 and "Unknown Job" not in answer.err:
            raise RunError(f"qstat: {answer.complaint}")
        seen = {}
        for block in re.split(r"^Job Id: ", answer.out, flags=re.MULTILINE)[1:]:
            # a job that is no array stands for the array of one; the array as a whole is not an element
            match = re.match(r"\d+(?:\[(\d*)\])?", block)
            state = re.search(r"^    job_state = (\w)$", block, re.MULTILINE)
            if match is None or state is None or match[1] == "":
                continue
            status = re.search(r"^    Exit_status = (-?\d+)$", block, re.MULTILINE)
            seen[int(match[1] or 1)] = _seen(state[1], int(status[1]) if status else None)
        return seen

    def cpus(self) -> int:
        return self.site.ncpus


def _seen(letter: str, status: int | None) -> Seen:
    if letter in _STATES:
        return Seen(_STATES[letter], letter)
    if status == _KILLED_FOR_WALLTIME:
        return Seen(JobState.TIMEOUT, f"{letter}, Exit_status {status}")
    if status is None:  # ended before it began
        return Seen(JobState.CANCELLED, letter)
    if status > _SIGNALLED:
        return Seen(JobState.CANCELLED, f"{letter}, signal {status - _SIGNALLED}")
    return Seen(JobState.DONE if status == 0 else JobState.FAILED, f"{letter}, Exit_status {status}")
