"""What is left to submit, and the end of what was submitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.batch.needs import Needs, point_seconds
from moe_cosim.sim.batch.site import Site
from moe_cosim.sim.batch.status import View, scheduler_of, views_or_error
from moe_cosim.sim.batch.submission import submissions
from moe_cosim.sim.batch.submit import Draft, Wishes, draft
from moe_cosim.sim.batch.usage import usages
from moe_cosim.sim.sweep.identity.files import check_files
from moe_cosim.sim.sweep.identity.sources import check_sources
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.store.store import Store

_MORE: Final = 1.5
"""Of the memory that earlier elements took at most, which may be where it ended."""


def left(store: Store, plan: SweepPlan, views: Sequence[View]) -> list[str]:
    """Points of a plan that are missing or failed, in its order, without those that wait or run."""
    under_way = {point for view in views for point in view.active_points()}
    progress = store.progress(plan)
    open_points = set(progress.failed) | set(progress.missing)
    return [point.id for point in plan.points if point.id in open_points and point.id not in under_way]


def resume(store: Store, site: Site | None, wishes: Wishes) -> list[Draft]:
    """A draft for each submitted plan with points left; with the latest submission's site and chunk unless told.

    `InputError` when nothing was submitted, or when code or files have changed since: results would be others'.
    """
    views = views_or_error(store)
    if not views:
        allowed = "a store that 'sweep submit' has written; a sweep that ran here goes on by its 'sweep run' again"
        raise InputError(store.path, "batch", Plain("no submission"), allowed)
    latest = {view.record.plan_id: view for view in views}
    drafts = []
    for plan_id, view in latest.items():
        plan = store.plan(plan_id)
        # a submission may hold a part of its plan only: what it was asked for is all that is resumed
        of_plan = [each for each in views if each.record.plan_id == plan_id]
        asked = {point for each in of_plan for point in each.point_ids}
        points = [point for point in left(store, plan, views) if point in asked]
        if not points:
            continue
        check_files(plan.files)
        check_sources(plan.sources, f"{store.path}: plan {plan_id}")
        record = view.record
        cut = wishes.chunk or (record.chunk if record.point_s is None else None)
        peak_bytes = max((used.peak_bytes for each in of_plan for used in usages(each.submission)), default=0)
        again = Wishes(
            cut,
            wishes.time_s or (record.time_s if site is None else None),
            wishes.warning_s,
            int(_MORE * peak_bytes),
        )
        point_s = record.point_s
        if cut is None and store.progress(plan).finished:
            point_s = point_seconds(plan, store)
        if site is None:
            view.submission.refuse_others()
        chosen = site or scheduler_of(record, view.submission.folder).site
        drafts.append(
            draft(store.path, plan, points, chosen, again, Needs(point_s, record.point_bytes), "sweep resume")
        )
    return drafts


def cancel(store: Store) -> list[str]:
    """End every job that waits or runs, and what would collect; the ids of the arrays ended."""
    ended = []
    for submission in submissions(store.path):
        record = submission.record()
        if not record.job_ids or record.cancelled:
            continue
        submission.refuse_others()
        scheduler = scheduler_of(record, submission.folder)
        view = View.of(submission)
        if view.problem is None and not view.active():
            continue
        # the collecting job first: it would start as soon as the array has ended
        if record.collect_ids:
            scheduler.cancel(record.collect_ids)
        scheduler.cancel(record.job_ids)
        submission.replace(record.model_copy(update={"cancelled": True}))
        ended += record.job_ids
    return ended
