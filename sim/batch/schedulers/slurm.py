"""Slurm: sbatch, squeue, sacct, scontrol, scancel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from moe_cosim.errors import RunError
from moe_cosim.schema import Count
from moe_cosim.sim.batch.base import Command, Job, JobState, Scheduler, Seen, schedulers
from moe_cosim.sim.batch.site import Site, Time, Word, hours_minutes_seconds, parse_time

# squeue(1), "JOB STATE CODES". What may still run counts as pending or running.
_STATES: Final = {
    "PENDING": JobState.PENDING,
    "CONFIGURING": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "COMPLETED": JobState.DONE,
    "CANCELLED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
    "DEADLINE": JobState.TIMEOUT,
}


class SlurmSite(Site):
    """In Slurm's words."""

    partition: Word | None = None
    """Queue."""
    account: Word | None = None
    """Who pays."""
    qos: Word | None = None
    """Quality of service."""
    cpus_per_task: Count = 1
    """Processors of an element: so many points side by side."""
    ntasks: Count = 1
    """Tasks of an element, where its points ask for fewer ranks."""
    mem: Word | None = None
    """Memory of an element, as ``16G``."""
    time: Time | None = None
    """Time limit of an element."""

    @property
    def limit_s(self) -> int | None:
        return None if self.time is None else parse_time(self.time, "site", "time")


@schedulers.register("slurm")
class Slurm(Scheduler[SlurmSite]):
    name: ClassVar[str] = "slurm"
    summary: ClassVar[str] = "Slurm (sbatch --array)"
    site_class: ClassVar[type[Site]] = SlurmSite
    max_elements: ClassVar[int | None] = 1000  # slurm.conf(5), MaxArraySize: 1001, an index is below it
    warns: ClassVar[bool] = True
    cores_variable: ClassVar[str | None] = "SLURM_CPUS_ON_NODE"
    ended_already: ClassVar[tuple[str, ...]] = ("already completing or completed", "Invalid job id")

    def options(self, job: Job) -> list[str]:
        site = self.site
        options = [f"--job-name={job.name}"]
        if job.elements:
            options += [f"--array=1-{job.elements}", "--requeue", f"--signal=B:USR1@{job.warning_s}"]
            options += [f"--ntasks={max(site.ntasks, job.ranks)}", f"--cpus-per-task={site.cpus_per_task}"]
        else:
            options += ["--ntasks=1"]
        if job.time_s is not None:
            options.append(f"--time={hours_minutes_seconds(job.time_s)}")
        if site.mem is None and job.megabytes is not None:
            options.append(f"--mem={job.megabytes}M")
        for name in ("partition", "account", "qos", "mem"):
            if (value := getattr(site, name)) is not None:
                options.append(f"--{name}={value}")
        # Slurm replaces % and \ in the whole path of an output file: the script opens its own log
        return [*options, "--output=/dev/null", *site.options]

    def submission(self, job: Job) -> Command:
        after = (f"--dependency=afterany:{':'.join(job.after)}",) if job.after else ()
        return Command(("sbatch", "--parsable", *after, job.script))

    def job_ids(self, printed: str, job: Job) -> list[str]:
        for line in printed.splitlines():  # sites print greetings around it
            if match := re.fullmatch(r"(\d+)(?:;[\w.-]+)?", line.strip()):
                return [match[1]]
        raise RunError(f"sbatch: no job id in {printed.strip()!r}")

    def cancellation(self, job_ids: Sequence[str]) -> Command:
        return Command(("scancel", "--quiet", *job_ids))

    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        """The queue's view, and the accounting's of what has left the queue, where a site keeps accounts. `RunError`
        where the queue cannot be asked.
        """
        jobs = f"--jobs={','.join(job_ids)}"
        answer = self.run_command(
            ("squeue", "--noheader", "--array", "--states=all", "--format=%K|%T", jobs),
        )
        if answer.status != 0 and "Invalid job id" not in answer.err:
            raise RunError(f"squeue: {answer.complaint}")
        queued = _parse(answer.out, r"\s*(\d+)\|(\w+)")
        accounts = self.run_command(
            ("sacct", "--noheader", "--parsable2", "--allocations", "--array", "--format=JobID,JobState", jobs)
        )
        past = _parse(accounts.out, r"\d+_(\d+)\|(\w+).*") if accounts.status == 0 else {}
        return past | queued

    def requeue(self, environ: Mapping[str, str]) -> Command | None:
        # not SLURM_JOB_ID: one element's is the array's own, and all others would be requeued with it
        element = f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
        return Command(("scontrol", "requeue", element))

    def cpus(self) -> int:
        return self.site.cpus_per_task


def _parse(printed: str, pattern: str) -> dict[int, Seen]:
    matches = (re.fullmatch(pattern, line) for line in printed.splitlines())
    return {int(m[1]): Seen(_STATES.get(m[2], JobState.FAILED), m[2]) for m in matches if m}
