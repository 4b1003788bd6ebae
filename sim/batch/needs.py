"""What the points of a submission will take, before they run: time, and memory."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from moe_cosim.errors import MoeCosimError, RunError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.engines.base import engine_of
from moe_cosim.sim.sweep.plan.plan import Point, SweepPlan
from moe_cosim.sim.sweep.pool.estimate import estimate
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.workloads.limits import routing_bytes
from moe_cosim.workloads.models.find import find_model

ELEMENT_S: Final = 600.0
"""Work of an element: long beside what starting it takes, short beside the limits of queues."""
MOST_ELEMENTS: Final = 1000
"""Of an array where neither the scheduler nor the site has a limit."""
UNKNOWN_ELEMENTS: Final = 200
"""Of an array of points whose time nobody can say."""
WORKER_BYTES: Final = 500_000_000
"""Of a worker beside the routing: 0.16 GB with everything imported, and up to 0.25 GB of blocks of steps, measured on
five experiments of up to 64 sequences and 8192 prompt tokens."""
START_BYTES: Final = 500_000_000
"""Of an element beside its workers: the process that deals the points and the one that workers are forked from, 0.3 GB
measured, and what the scheduler counts to it besides."""
_DECIDES_MEMORY: Final = ("workload", "model", "engine", "window")


@dataclass(frozen=True)
class Needs:
    """Of one point; None where it cannot be said."""

    seconds: float | None
    bytes: int | None

    def element_bytes(self, cores: int) -> int | None:
        """Of an element with a worker per core. A worker that has more than half its part is replaced: so twice what
        it needs."""
        return None if self.bytes is None else START_BYTES + 2 * cores * self.bytes


def point_seconds(plan: SweepPlan, store: Store | None) -> float | None:
    """From finished points of the store, else from three shortened runs here; None for points that start MPI ranks,
    which no login node is for, and where the engine cannot run here.

    Raises the `InputError` of a sweep of which no point tried can be run.
    """
    if ranks_of(plan) > 1:
        return None
    try:
        return estimate(plan, 1, store).per_point_s
    except RunError:
        return None


def point_bytes(plan: SweepPlan, ids: Collection[str]) -> int | None:
    """Of the largest of these points; None where one keeps more than a few blocks of steps: a window, or an engine
    that takes a program whole."""
    largest = 0
    for experiment in _differing(plan, set(ids)):
        with suppress(MoeCosimError):  # refused when the point runs, with its reason
            if not (experiment.window.is_whole and engine_of(experiment).takes_blocks):
                return None
            largest = max(largest, routing_bytes(find_model(experiment.model), experiment.workload))
    return WORKER_BYTES + largest


def chunk_of(points: int, seconds: float | None, cores: int, limit_s: float | None, most: int | None) -> int:
    """Points of an element, so that it works for `ELEMENT_S` on its `cores`, or half of `limit_s` where that is less,
    and the array has no more than `most` elements."""
    if seconds is None:
        elements = UNKNOWN_ELEMENTS
    else:
        each_s = ELEMENT_S if limit_s is None else min(ELEMENT_S, limit_s / 2)
        fits = seconds * points <= each_s * cores
        elements = 1 if fits else -(-points // max(1, int(each_s * cores / seconds)))
    return -(-points // min(elements, points, most or MOST_ELEMENTS))


def ranks_of(plan: SweepPlan) -> int:
    """The most MPI ranks that a point's engine asks for."""
    asked: list[Any] = [base.engine_options.get("ranks", 1) for base in plan.bases.values()]
    for point in plan.points:
        engine = point.settings.get("engine")
        asked.append(engine.get("ranks", 1) if isinstance(engine, dict) else 1)
        asked.append(point.settings.get("engine.ranks", 1))
    return max((ranks for ranks in asked if isinstance(ranks, int)), default=1)


def _differing(plan: SweepPlan, ids: set[str]) -> list[Experiment]:
    """One experiment for every combination of the fields that decide how much memory it takes."""
    first: dict[tuple[str, str], Point] = {}
    for point in plan.points:
        if point.id in ids:
            decides = {path: value for path, value in point.settings.items() if path.startswith(_DECIDES_MEMORY)}
            first.setdefault((point.variant, repr(sorted(decides.items()))), point)
    return [plan.experiment(point) for point in first.values()]
