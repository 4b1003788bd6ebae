"""How long a plan will take: from points of it that the store has, or from shortened points run now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Final

from moe_cosim.errors import InputError, MoeCosimError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.plan.plan import Point, SweepPlan
from moe_cosim.sim.sweep.store.store import Store

SAMPLE: Final = 50
"""Points of the store that are read for their wall time."""

SHORT_TOKENS: Final = (3, 9)
"""Output lengths of the shortened runs. Events, and so the time, grow linearly with the length."""

LITTLE: Final = {"batch": 2, "prompt_tokens": 4, "output_tokens": 2}
"""At most, where only the refusal counts."""

START_S: Final = 2.0
"""Until the workers are warm: import and compiled kernels, measured at 1.5 to 2.5 s."""


@dataclass(frozen=True)
class Estimate:
    """`seconds` of wall time for what is missing."""

    seconds: float
    per_point_s: float
    missing: int
    basis: str
    """Where it comes from, in words."""
    refused: list[str] = field(default_factory=list)
    """What is wrong with those of the points tried that would fail, each reason once."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def estimate(plan: SweepPlan, workers: int, store: Store | None = None) -> Estimate:
    """Raises `InputError` when every point tried is refused: then it is the sweep that is wrong."""
    finished = set(store.progress(plan).finished) if store is not None else set()
    missing = [point for point in plan.points if point.id not in finished]
    if not missing:
        return Estimate(0.0, 0.0, 0, "every point is in the store")
    known = [] if store is None else _wall_times(store, plan, finished)
    if known:
        per_point_s, basis = sum(known) / len(known), f"mean of {len(known)} finished points of the store"
        refused: list[str] = []
    else:
        per_point_s, basis, refused = _calibrated(plan, missing)
    seconds = START_S + per_point_s * len(missing) / min(workers, len(missing))
    return Estimate(seconds, per_point_s, len(missing), basis, refused)


def refuse_hopeless(plan: SweepPlan) -> None:
    """Raise the `InputError` of the first point when the first, the middle one and the last are all refused.

    They are run with little work, for what is wrong whatever the work: a misspelt option of a policy, say.
    """
    refusals = []
    for point in _tried(plan.points):
        experiment = plan.experiment(point)
        least = {f"workload.{name}": min(getattr(experiment.workload, name), most) for name, most in LITTLE.items()}
        try:
            run(experiment.with_settings(least), keep=())
        except InputError as error:
            refusals.append(error)
        except Exception:  # the sweep will keep it as this point's failure
            return
        else:
            return
    raise refusals[0]


def _wall_times(store: Store, plan: SweepPlan, finished: set[str]) -> list[float]:
    chosen = islice((point.id for point in plan.points if point.id in finished), SAMPLE)
    records = (store.record(point_id) for point_id in chosen)
    return [record.wall_s for record in records if record is not None]


def _calibrated(plan: SweepPlan, points: Sequence[Point]) -> tuple[float, str, list[str]]:
    seconds, refusals = [], []
    for point in _tried(points):
        try:
            seconds.append(_full_time(plan.experiment(point)))
        except MoeCosimError as error:
            refusals.append(error)
    if not seconds:
        raise refusals[0]
    mean_s = sum(seconds) / len(seconds)
    basis = f"mean of {len(seconds)} points, run for at most {SHORT_TOKENS[-1]} output tokens and extrapolated"
    return mean_s, basis, list(dict.fromkeys(str(error) for error in refusals))


def _tried(points: Sequence[Point]) -> list[Point]:
    """The first, the middle one and the last."""
    return [points[index] for index in dict.fromkeys((0, len(points) // 2, len(points) - 1))] if points else []


def _full_time(experiment: Experiment) -> float:
    """Seconds for the whole point, on the line through two short runs."""
    wanted = experiment.workload.output_tokens
    shorter = [min(length, wanted) for length in SHORT_TOKENS]
    _timed(experiment, shorter[0])  # compiles, reads files
    times = [_timed(experiment, length) for length in shorter]
    if shorter[0] == shorter[-1]:
        return times[-1]
    per_token_s = max(times[-1] - times[0], 0.0) / (shorter[-1] - shorter[0])
    return times[-1] + per_token_s * (wanted - shorter[-1])


def _timed(experiment: Experiment, output_tokens: int) -> float:
    shortened = experiment.with_settings({"workload.output_tokens": output_tokens})
    started = time.perf_counter()
    run(shortened, keep=())
    return time.perf_counter() - started
