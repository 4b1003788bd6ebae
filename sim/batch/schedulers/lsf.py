"""IBM Spectrum LSF: bsub, bjobs, bkill."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import ClassVar, Final

from moe_cosim.errors import RunError
from moe_cosim.schema import Count, Line
from moe_cosim.sim.batch.base import Command, Job, JobState, Scheduler, Seen, schedulers
from moe_cosim.sim.batch.site import Site, Time, Word, parse_time

_STATES: Final = {
    "PEND": JobState.PENDING,
    "PSUSP": JobState.PENDING,
    "WAIT": JobState.PENDING,
    "RUN": JobState.RUNNING,
    "PROV": JobState.RUNNING,
    "USUSP": JobState.RUNNING,
    "SSUSP": JobState.RUNNING,
    "UNKWN": JobState.RUNNING,  # its host does not answer; LSF waits for it
    "DONE": JobState.DONE,
}


class LsfSite(Site):
    """In LSF's words."""

    queue: Word | None = None
    """Queue."""
    project: Word | None = None
    """Who pays."""
    n: Count = 1
    """Slots of one element: so many points side by side."""
    resources: tuple[Line, ...] = ()
    """Resource requirements, each an ``-R``."""
    memory: Word | None = None
    """Memory of an element (``-M``)."""
    runlimit: Time | None = None
    """Time limit of an element (``-W``)."""

    @property
    def limit_s(self) -> int | None:
        return None if self.runlimit is None else parse_time(self.runlimit, "site", "runlimit")


@schedulers.register("lsf")
class Lsf(Scheduler[LsfSite]):
    name: ClassVar[str] = "lsf"
    summary: ClassVar[str] = "IBM Spectrum LSF (bsub -J name[...])"
    site_class: ClassVar[type[Site]] = LsfSite
    max_elements: ClassVar[int | None] = 1000  # lsb.params(5), MAX_JOB_ARRAY_SIZE
    warns: ClassVar[bool] = True
    cores_variable: ClassVar[str | None] = "LSB_DJOB_NUMPROC"
    ended_already: ClassVar[tuple[str, ...]] = ("already finished", "is not found", "No matching job found")
    requeue_exit_code: ClassVar[int] = 99

    def options(self, job: Job) -> list[str]:
        site = self.site
        if job.elements:
            options = [f'-J "{job.name}[1-{job.elements}]"', f"-n {max(site.n, job.ranks)}"]
            if max(site.n, job.ranks) > 1 and not site.resources:
                options.append('-R "span[hosts=1]"')  # workers share one host
            options += ["-r", f'-Q "{self.requeue_exit_code}"']
            options += [f"-wa USR1 -wt {math.ceil(job.warning_s / 60)}"]
        else:
            options = [f'-J "{job.name}"', "-n 1"]
        if job.time_s is not None:
            minutes = math.ceil(job.time_s / 60)
            options.append(f"-W {minutes // 60}:{minutes % 60:02d}")
        for letter, value in (("q", site.queue), ("P", site.project), ("M", site.memory)):
            if value is not None:
                options.append(f"-{letter} {value}")
        if site.memory is None and job.megabytes is not None:
            options.append(f'-R "rusage[mem={job.megabytes}MB]"')  # what it will use, no limit
        options += [f'-R "{text}"' for text in site.resources]
        return [*options, "-o /dev/null", *site.options]

    def submission(self, job: Job) -> Command:
        after = ("-w", " && ".join(f"ended({job_id})" for job_id in job.after)) if job.after else ()
        return Command(("bsub", *after), stdin=job.script)

    def job_ids(self, printed: str, job: Job) -> list[str]:
        match = re.search(r"^Job <(\d+)> is submitted", printed, re.MULTILINE)
        if match is None:
            raise RunError(f"bsub: no job id in {printed.strip()!r}")
        return [match[1]]

    def cancellation(self, job_ids: Sequence[str]) -> Command:
        return Command(("bkill", *job_ids))

    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        fields = "jobindex stat exit_code exit_reason delimiter='|'"
        answer = self.run_command(("bjobs", "-a", "-noheader", "-o", fields, *job_ids))
        if answer.status != 0 and "is not found" not in answer.err + answer.out:
            raise RunError(f"bjobs: {answer.complaint}")
        matches = (re.fullmatch(r"(\d+)\|(\w+)\|([^|]*)\|(.*)", line) for line in answer.out.splitlines())
        return {int(m[1]): _seen(m[2], m[3], m[4]) for m in matches if m}

    def cpus(self) -> int:
        return self.site.n


def _seen(stat: str, code: str, reason: str) -> Seen:
    if stat in _STATES:
        return Seen(_STATES[stat], stat)
    word = f"{stat} {code}".strip()
    if "TERM_RUNLIMIT" in reason:
        return Seen(JobState.TIMEOUT, "TERM_RUNLIMIT")
    if "TERM_OWNER" in reason or "TERM_FORCE_OWNER" in reason or "TERM_ADMIN" in reason:
        return Seen(JobState.CANCELLED, reason.split(":")[0])
    return Seen(JobState.FAILED, word)
