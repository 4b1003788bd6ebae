"""Grid Engine (Son of, Open, Univa, Altair): qsub, qstat, qacct, qdel."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from typing import ClassVar, Final
from xml.etree import ElementTree

from moe_cosim.errors import RunError
from moe_cosim.schema import Count
from moe_cosim.sim.batch.base import Command, Job, JobState, Scheduler, Seen, schedulers
from moe_cosim.sim.batch.site import Site, Time, Word, hours_minutes_seconds, parse_time

# accounting(5), "failed"
_TO_RUN_AGAIN: Final = 25
_OVER_A_LIMIT: Final = 37
_SIGNALLED: Final = 100
_KILLED: Final = 128 + 9


class GridEngineSite(Site):
    """In Grid Engine's words."""

    queue: Word | None = None
    """Queue."""
    project: Word | None = None
    """The project it is for (``-P``)."""
    account: Word | None = None
    """Who pays (``-A``)."""
    slots: Count = 1
    """Processors of an element: so many points side by side."""
    pe: Word = "smp"
    """The parallel environment that gives several slots on one host."""
    mem_free: Word | None = None
    """Memory that a host must have free, as ``16G``."""
    h_vmem: Word | None = None
    """Limit on the address space, of each slot at most sites."""
    h_rt: Time | None = None
    """Time limit of an element."""

    @property
    def limit_s(self) -> int | None:
        return None if self.h_rt is None else parse_time(self.h_rt, "site", "h_rt")


@schedulers.register("grid-engine")
class GridEngine(Scheduler[GridEngineSite]):
    name: ClassVar[str] = "grid-engine"
    summary: ClassVar[str] = "Grid Engine (qsub -t)"
    site_class: ClassVar[type[Site]] = GridEngineSite
    max_elements: ClassVar[int | None] = 75_000  # sge_conf(5), max_aj_tasks
    warns: ClassVar[bool] = True  # at the soft limit
    cores_variable: ClassVar[str | None] = "NSLOTS"
    ended_already: ClassVar[tuple[str, ...]] = ("does not exist", "already in deletion")
    requeue_exit_code: ClassVar[int] = 99  # qsub(1), "Exit status"

    def options(self, job: Job) -> list[str]:
        site = self.site
        options = [f"-N {job.name}"]
        if job.elements:
            options += [f"-t 1-{job.elements}", "-r y"]
            if (slots := max(site.slots, job.ranks)) > 1:
                options.append(f"-pe {site.pe} {slots}")
            if site.mem_free is None and site.h_vmem is None and job.megabytes is not None:
                options.append(f"-l mem_free={job.megabytes}M")
            for resource, value in (("mem_free", site.mem_free), ("h_vmem", site.h_vmem)):
                if value is not None:
                    options.append(f"-l {resource}={value}")
        if job.time_s is not None:
            options.append(f"-l h_rt={hours_minutes_seconds(job.time_s)}")
            if job.elements:
                options.append(f"-l s_rt={hours_minutes_seconds(job.time_s - job.warning_s)}")
        for letter, value in (("q", site.queue), ("P", site.project), ("A", site.account)):
            if value is not None:
                options.append(f"-{letter} {value}")
        # no -cwd: a job whose folder is not there would wait in an error state and say nothing
        return [*options, "-S /bin/bash", "-j y", "-o /dev/null", *site.options]

    def submission(self, job: Job) -> Command:
        after = ("-hold_jid", ",".join(job.after)) if job.after else ()
        return Command(("qsub", "-terse", *after, job.script))

    def job_ids(self, printed: str, job: Job) -> list[str]:
        for line in printed.splitlines():
            if match := re.fullmatch(r"(\d+)(?:\.\d+-\d+:\d+)?", line.strip()):
                return [match[1]]
        raise RunError(f"qsub: no job id in {printed.strip()!r}")

    def cancellation(self, job_ids: Sequence[str]) -> Command:
        return Command(("qdel", *job_ids))

    def elements(self, job_ids: Sequence[str]) -> dict[int, Seen]:
        """The queue's view, and the accounting's of what has left the queue, where it is to be read here."""
        queued = _queued(self.run_command.checked(("qstat", "-xml", "-g", "d", "-u", _user())), job_ids)
        past: dict[int, Seen] = {}
        for job_id in job_ids:
            past |= self._past(job_id)
        return past | queued

    def _past(self, job_id: str) -> dict[int, Seen]:
        try:
            answer = self.run_command(("qacct", "-j", job_id))
        except RunError:
            return {}  # not on this host, or years of accounts to read
        seen = {}
        for block in re.split(r"^=+$", answer.out, flags=re.MULTILINE)[1:] if answer.status == 0 else ():
            fields = dict(re.findall(r"^(\w+) +(.*?) *$", block, re.MULTILINE))
            task, failed = _number(fields, "taskid"), _number(fields, "failed")
            if task is not None and failed is not None and failed != _TO_RUN_AGAIN:
                seen[task] = _ended(failed, _number(fields, "exit_status") or 0, fields)
        return seen

    def cpus(self) -> int:
        return self.site.slots


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "*"


def _queued(printed: str, job_ids: Sequence[str]) -> dict[int, Seen]:
    try:
        rows = ElementTree.fromstring(printed).iter("job_list")
    except ElementTree.ParseError:
        raise RunError("qstat: no XML in its answer") from None
    states = {"running": JobState.RUNNING, "pending": JobState.PENDING}
    return {
        int(row.findtext("tasks", "1")): Seen(
            states.get(row.get("state", ""), JobState.PENDING), row.findtext("state", "")
        )
        for row in rows
        if row.findtext("JB_job_number") in job_ids
    }


def _ended(failed: int, status: int, fields: dict[str, str]) -> Seen:
    word = f"failed {failed}, exit_status {status}"
    if failed == _OVER_A_LIMIT:  # of time, or of memory
        limit = re.search(r"\bh_rt=(\d+)", fields.get("category", ""))
        over = limit is not None and (_number(fields, "ru_wallclock") or 0) >= int(limit[1])
        return Seen(JobState.TIMEOUT if over else JobState.FAILED, word)
    if failed == _SIGNALLED and status == _KILLED:  # qdel, or whoever else has killed it
        return Seen(JobState.CANCELLED, word)
    return Seen(JobState.DONE if failed == 0 and status == 0 else JobState.FAILED, word)


def _number(fields: dict[str, str], name: str) -> int | None:
    match = re.match(r"\d+", fields.get(name, ""))
    return None if match is None else int(match[0])
