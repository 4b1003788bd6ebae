"""From points to jobs: drafted, shown or sent."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.sim.batch.base import Command, Job, Scheduler, schedulers
from moe_cosim.sim.batch.needs import Needs, chunk_of, ranks_of
from moe_cosim.sim.batch.script import CHECK, check_script, collect_script, points_script
from moe_cosim.sim.batch.site import Site
from moe_cosim.sim.batch.submission import (
    COLLECT_SCRIPT,
    POINTS_SCRIPT,
    Submission,
    SubmissionRecord,
    create,
    new_folder,
)
from moe_cosim.sim.sweep.plan.plan import SweepPlan

WARNING_S: Final = 120
"""Notice before the time limit: time for the point in hand, and Slurm may be a minute late (sbatch(1), --signal)."""
_NAME_LENGTH: Final = 40


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for beside the site file; None leaves the default."""

    chunk: int | None = None
    time_s: int | None = None
    warning_s: int | None = None
    memory_bytes: int = 0
    """Of an element at least, where the site file says nothing: earlier ones have taken that."""


@dataclass(frozen=True)
class Draft:
    """A submission before it exists."""

    folder: Path
    scheduler: Scheduler[Site]
    record: SubmissionRecord
    point_ids: tuple[str, ...]
    array: Job
    collect: Job

    def scripts(self) -> dict[str, str]:
        """What would be written, by the file's name."""
        return {
            POINTS_SCRIPT: points_script(self.scheduler, self.array, self.folder),
            COLLECT_SCRIPT: collect_script(self.scheduler, self.collect, self.folder),
        }

    def text(self) -> str:
        """Scripts and commands, exactly as they would be written and run."""
        parts = []
        placeholder = replace(self.collect, after=("JOBID",))
        commands = (self.scheduler.submission(self.array), self.scheduler.submission(placeholder))
        for (name, script), command in zip(self.scripts().items(), commands, strict=True):
            parts.append(f"==> {name}\n{script}==> in {shlex.quote(str(self.folder))}\n{_shell(command)}\n")
        return "\n".join(parts)


def draft(
    store_path: Path,
    plan: SweepPlan,
    point_ids: Sequence[str],
    site: Site,
    wishes: Wishes,
    needs: Needs,
    where: object = "sweep submit",
) -> Draft:
    """Jobs for these points, cut by the time that a point `needs` where no chunk is wished for.

    `InputError` when an array would be larger than the site allows.
    """
    scheduler = schedulers.get(site.scheduler, where, "scheduler")(site)
    if not point_ids:
        raise InputError(where, "points", Plain("none left to compute"), "at least one")
    time_s = wishes.time_s or site.limit_s
    warning_s = wishes.warning_s or (WARNING_S if time_s is None else min(WARNING_S, time_s // 4))
    if time_s is not None and warning_s >= time_s:
        raise InputError(where, "--warning", warning_s, f"less than the time limit ({time_s} s)")
    ranks = ranks_of(plan)
    cores = 1 if ranks > 1 else scheduler.cpus()
    limit = site.max_array or scheduler.max_elements
    if wishes.chunk is not None:
        chunk = _checked_chunk(len(point_ids), wishes.chunk, limit, where)
    else:
        working_s = None if time_s is None else float(time_s - warning_s)
        chunk = chunk_of(len(point_ids), needs.seconds, cores, working_s, limit)
    memory_bytes = needs.element_bytes(cores)
    record = SubmissionRecord(
        plan_id=plan.plan_id,
        name=job_name(plan.name),
        site=site.model_dump(by_alias=True, exclude_defaults=True),
        chunk=chunk,
        points=len(point_ids),
        ranks=ranks,
        time_s=time_s,
        warning_s=warning_s,
        point_s=needs.seconds,
        cores=cores,
        point_bytes=needs.bytes,
        memory_bytes=None if memory_bytes is None else max(memory_bytes, wishes.memory_bytes),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    array = Job(
        record.name, POINTS_SCRIPT, record.elements, time_s, warning_s, record.ranks, memory_bytes=record.memory_bytes
    )
    collect = Job(f"{record.name}-collect", COLLECT_SCRIPT, 0, time_s, warning_s)
    return Draft(new_folder(store_path), scheduler, record, tuple(point_ids), array, collect)


def send(drafted: Draft) -> Submission:
    """Write the folder and submit both jobs. `RunError` when the scheduler refuses; then nothing is left behind."""
    files = {**drafted.scripts(), CHECK: check_script()}
    submission = create(drafted.folder, drafted.record, drafted.point_ids, files)
    try:
        job_ids = _submit(drafted, drafted.array)
    except RunError:
        submission.remove()
        raise
    record = drafted.record.model_copy(update={"job_ids": job_ids})
    submission.replace(record)
    try:
        collect_ids = _submit(drafted, replace(drafted.collect, after=tuple(job_ids)))
    except RunError as error:
        raise RunError(f"the points are submitted (job {job_ids[0]}), but not what collects them: {error}") from None
    submission.replace(record.model_copy(update={"collect_ids": collect_ids}))
    return submission


def job_name(name: str) -> str:
    """A name that every scheduler takes: it begins with a letter, and has letters, digits, ``-`` and ``_``."""
    return "moe-" + (re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:_NAME_LENGTH].strip("-") or "sweep")


def _submit(drafted: Draft, job: Job) -> list[str]:
    command = drafted.scheduler.submission(job)
    printed = drafted.scheduler.run_command.checked(command.argv, drafted.folder, command.stdin)
    return drafted.scheduler.job_ids(printed, job)


def _checked_chunk(points: int, asked: int, limit: int | None, where: object) -> int:
    elements = -(-points // asked)
    if limit is not None and elements > limit:
        least = -(-points // limit)
        found = Plain(f"{asked}, which makes an array of {elements}")
        raise InputError(where, "--chunk", found, f"{least} or more (arrays have up to {limit} elements; max-array)")
    return asked


def _shell(command: Command) -> str:
    return shlex.join(command.argv) + (f" < {shlex.quote(command.stdin)}" if command.stdin else "")
