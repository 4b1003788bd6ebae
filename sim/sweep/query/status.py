"""Where every sweep of a store stands, from names of files alone."""

from __future__ import annotations

from typing import Any

from moe_cosim.sim.sweep.identity.sources import changed
from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.store import Store


def status(store: Store) -> dict[str, Any]:
    """Plain data: ``points`` in the store, ``plans`` with what is finished, failed and missing, and what of the
    code and the catalogue has ``changed`` since it was made."""
    finished = store.finished_ids()
    failed = store.failed_names() - finished
    plans = []
    for plan_id in store.plan_ids():
        plan = store.outline(plan_id)
        ids = [point.id for point in plan.points]
        done = sum(each in finished for each in ids)
        bad = sum(each in failed for each in ids)
        plans.append(
            {
                "plan": plan_id,
                "name": plan.name,
                "points": len(ids),
                "finished": done,
                "failed": bad,
                "missing": len(ids) - done - bad,
                "changed": changed(plan.sources),
            }
        )
    return {
        "store": str(store.path),
        "finished": len(finished),
        "failed": len(failed),
        "damaged_parts": [path.name for path in parts.damaged(store.path / "parts")],
        "plans": plans,
    }
