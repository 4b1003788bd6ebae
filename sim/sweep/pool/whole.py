"""A sweep from its file to its points in a store, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool.estimate import refuse_hopeless
from moe_cosim.sim.sweep.pool.local import SweepOutcome, run_points
from moe_cosim.sim.sweep.store.store import Store


def run_sweep(
    source: str | Path, store: str | Path, settings: Mapping[str, Any] | None = None, workers: int = 1
) -> SweepOutcome:
    """Compute the points of a sweep (a file, or the name of a shipped one) that the folder `store` lacks.

    `settings` replace fields of the base experiment. Points that fail are in `SweepOutcome.failures`. Raises
    `InputError` for a bad file and where every point tried is refused, `RunError` where the store cannot be written.
    """
    plan = plan_sweep(source, settings)
    refuse_hopeless(plan)
    kept = Store.create(store)
    kept.add_plan(plan)
    return run_points(kept, plan, None, workers)
