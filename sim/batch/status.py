"""What the scheduler and the store say together about a store's submissions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from moe_cosim.errors import RunError
from moe_cosim.quantity import format_quantity
from moe_cosim.sim.batch.base import JobState, Scheduler, Seen, schedulers, site_class
from moe_cosim.sim.batch.site import Site, site_of
from moe_cosim.sim.batch.submission import Submission, SubmissionRecord, submissions
from moe_cosim.sim.batch.usage import usages
from moe_cosim.sim.sweep.store.store import Store

_GONE = Seen(JobState.GONE, "")


def scheduler_of(record: SubmissionRecord, where: object) -> Scheduler[Site]:
    """The scheduler that a submission went to, with the site file it had."""
    site = site_of(dict(record.site), where, site_class)
    return schedulers.get(site.scheduler, where, "scheduler")(site)


@dataclass(frozen=True)
class View:
    """One submission as the scheduler sees it now."""

    submission: Submission
    record: SubmissionRecord
    point_ids: list[str]
    seen: dict[int, Seen]
    problem: str | None = None
    """Why the scheduler could not be asked."""

    @classmethod
    def of(cls, submission: Submission) -> View:
        """Asks the scheduler; one that cannot be asked is the view's `problem`."""
        record = submission.record()
        seen: dict[int, Seen] = {}
        problem = None
        if record.job_ids:
            try:
                seen = scheduler_of(record, submission.folder).elements(record.job_ids)
            except RunError as error:
                problem = str(error)
        return cls(submission, record, submission.point_ids(), seen, problem)

    def points(self, element: int) -> list[str]:
        """Ids of the points of an element, which count from 1."""
        return self.point_ids[(element - 1) * self.record.chunk : element * self.record.chunk]

    def state(self, element: int) -> Seen:
        """Of an element, from 1; gone where the scheduler does not name it."""
        return self.seen.get(element, _GONE)

    def active(self) -> bool:
        """Whether any element waits or runs."""
        return any(seen.state.active for seen in self.seen.values())

    def active_points(self) -> set[str]:
        """Points of elements that wait or run."""
        return {
            point
            for element in range(1, self.record.elements + 1)
            if self.state(element).state.active
            for point in self.points(element)
        }

    def document(self, finished: set[str], failed: set[str]) -> dict[str, Any]:
        """Counts of elements and points. An element is done when its points are, whatever its job came to."""
        elements: Counter[str] = Counter()
        words: Counter[str] = Counter()
        points: Counter[str] = Counter()
        to_resume = 0
        used = usages(self.submission)
        for element in range(1, self.record.elements + 1):
            seen, ids = self.state(element), self.points(element)
            left = [point for point in ids if point not in finished]
            wrong = sum(point in failed for point in left)
            points.update(finished=len(ids) - len(left), failed=wrong, missing=len(left) - wrong)
            if seen.state.active:
                elements[seen.state.value] += 1
                continue
            to_resume += len(left)
            elements[_outcome(seen.state, len(left), wrong)] += 1
            if left and seen.word:
                words[seen.word] += 1
        return {
            "submission": self.submission.id,
            "scheduler": self.record.scheduler,
            "job_ids": self.record.job_ids,
            "collect_ids": self.record.collect_ids,
            "cancelled": self.record.cancelled,
            "elements": dict(elements),
            "ended_as": dict(words),
            "points": dict(points),
            "to_resume": to_resume,
            "estimated_bytes": self.record.memory_bytes,
            "peak_bytes": max((each.peak_bytes for each in used), default=None),
            "longest_s": max((each.wall_s for each in used), default=None),
            "problem": self.problem,
        }


def batch_lines(store: Store) -> dict[str, Any] | None:
    """Every submission of a store, as data and as a line of text each; None where there is none."""
    views = [View.of(submission) for submission in submissions(store.path)]
    if not views:
        return None
    finished, failed = store.finished_ids(), store.failed_ids()
    documents = [view.document(finished, failed) for view in views]
    return {"submissions": documents, "summary": [_line(document) for document in documents]}


def _outcome(state: JobState, left: int, wrong: int) -> str:
    if left == 0:
        return JobState.DONE.value
    if state is JobState.DONE:
        return "with failed points" if wrong == left else "stopped early"
    return state.value


def _line(document: dict[str, Any]) -> str:
    jobs = document["job_ids"]
    name = f"{document['scheduler']} {jobs[0]}" if jobs else f"{document['scheduler']}, not submitted"
    if len(jobs) > 1:
        name += f" … {jobs[-1]}"
    elements = ", ".join(f"{count} {state}" for state, count in document["elements"].items())
    points = ", ".join(f"{count} {state}" for state, count in document["points"].items() if count)
    words = ", ".join(f"{count} {word}" for word, count in document["ended_as"].items())
    line = f"{document['submission']} ({name}): elements: {elements}; points: {points}"
    if document["peak_bytes"]:
        line += f"; an element: up to {format_quantity(document['longest_s'] * 1e12, 'ps')}"
        line += f" and {format_quantity(document['peak_bytes'], 'bytes')}"
    if words:
        line += f"; ended as {words}"
    if document["problem"]:
        return f"{line}; the scheduler cannot be asked ({document['problem']})"
    return f"{line}; {document['to_resume']} points for 'sweep resume'" if document["to_resume"] else line


def views_or_error(store: Store) -> list[View]:
    """All submissions; `RunError` when a scheduler cannot be asked, for then nobody knows what still runs."""
    views = [View.of(submission) for submission in submissions(store.path)]
    for view in views:
        if view.problem is not None:
            raise RunError(f"{view.submission.id}: {view.problem}")
    return views
