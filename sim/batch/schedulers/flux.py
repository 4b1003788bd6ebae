"""Flux: flux submit --cc, flux jobs, flux cancel."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import ClassVar, Final

from moe_cosim.errors import RunError
from moe_cosim.schema import Count
from moe_cosim.sim.batch.base import Command, Job, JobState, Scheduler, Seen, schedulers
from moe_cosim.sim.batch.site import Site, Time, Word, parse_time

# flux-jobs(1), "JOB STATUS"
_STATES: Final = {
    "NEW": JobState.PENDING,
    "DEPEND": JobState.PENDING,
    "PRIORITY": JobState.PENDING,
    "SCHED": JobState.PENDING,
    "RUN": JobState.RUNNING,
    "CLEANUP": JobState.RUNNING,
    "COMPLETED": JobState.DONE,
    "CANCELED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
}


class FluxSite(Site):
    """In Flux's words."""

    queue: Word | None = None
    """Queue."""
    bank: Word | None = None
    """Who pays."""
    cores_per_task: Count = 1
    """Cores of an element: so many points side by side."""
    time_limit: Time | None = None
    """Time limit of an element."""

    @property
    def limit_s(self) -> int | None:
        return None if self.time_limit is None else parse_time(self.time_limit, "site", "time-limit")


@schedulers.register("flux")
class Flux(Scheduler[FluxSite]):
    """Flux has no arrays: ``--cc`` makes a job of its own of every element, told apart by their names."""

    name: ClassVar[str] = "flux"
    summary: ClassVar[str] = "Flux (flux submit --cc)"
    site_class: ClassVar[type[Site]] = FluxSite
    max_elements: ClassVar[int | None] = None
    warns: ClassVar[bool] = True
    ended_already: ClassVar[tuple[str, ...]] = ("inactive", "unknown")

    def options(self, job: Job) -> list[str]:
        site = self.site
        # one task, as `flux submit` starts one copy of the script per task; the ranks of a point share its cores
        if job.elements:
            options = [f"--job-name={job.name}.{{cc}}", f"--cc=1-{job.elements}"]
            options += [f"--ntasks=1 --cores-per-task={site.cores_per_task * job.ranks}"]
            options += [f"--signal=USR1@{job.warning_s}s"] if job.time_s is not None else []
        else:
            options = [f"--job-name={job.name}", "--ntasks=1"]
        if job.time_s is not None:
            options.append(f"--time-limit={job.time_s}s")
        for name in ("queue", "bank"):
            if (value := getattr(site, name)) is not None:
                options.append(f"--{name}={value}")
        return [*options, *site.options]

    def submission(self, job: Job) -> Command:
        after = tuple(f"--dependency=afterany:{job_id}" for job_id in job.after)
        # flux submit reads no options from a script
        words = tuple(word for option in self.options(job) for word in shlex.split(option))
        return Command(("flux", "submit", *words, *after, "bash", job.script))

    def job_ids(self, printed: str, job: Job) -> list[str]:
        found = [line.strip() for line in printed.splitlines() if re.fullmatch(r"[fƒ]?[0-9A-Za-z]+", line.strip())]
        if len(found) != max(job.elements, 1):
            raise RunError(f"flux: {max(job.elements, 1)} jobs asked for, {len(found)} ids printed")
        return found

    def cancellation(self, job_ids: Sequence[str]) -> Command:
        return Command(("flux", "cancel", *job_ids))

    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        answer = self.run_command(("flux", "jobs", "--no-header", "--format={name}|{status}", *job_ids))
        if answer.status != 0 and "unknown" not in answer.err.lower():
            raise RunError(f"flux: {answer.complaint}")
        matches = (re.fullmatch(r".*\.(\d+)\|(\w+)", line) for line in answer.out.splitlines())
        return {int(m[1]): Seen(_STATES.get(m[2], JobState.FAILED), m[2]) for m in matches if m}

    def cpus(self) -> int:
        return self.site.cores_per_task
