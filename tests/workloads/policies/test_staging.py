"""The staging ring: many turns at once are the turns taken one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.workloads.plan import Copy, PlanBuilder
from moe_cosim.workloads.policies.parts.staging import StagingRing

SOURCE = Copy(0, 5)


@given(slots=st.integers(1, 4), pieces=st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=6))
def test_turns_at_once_are_turns_one_by_one(slots: int, pieces: list[tuple[bool, int]]) -> None:
    mixed, single = PlanBuilder(("gpu",)), PlanBuilder(("gpu",))
    rings = [StagingRing(plan, [100 + slot for slot in range(slots)]) for plan in (mixed, single)]
    for at_once, count in pieces:
        for plan, ring in zip((mixed, single), rings, strict=True):
            if plan is mixed and at_once:
                experts = np.arange(count)
                columns = ring.turns(plan.next_run + experts)
                first = plan.move_rows(0, 0, 0, experts, SOURCE.format, SOURCE.address, *columns)
                plan.run_rows(0, 0, experts, 1, 0, 0, columns[0], first + experts)
                continue
            for expert in range(count):
                copy = ring.fetch(0, expert, SOURCE)
                ring.ran(copy, plan.run(expert, 1, "gpu", copy))
    found, expected = mixed.take(), single.take()
    assert found.runs.tobytes() == expected.runs.tobytes()
    assert found.moves.tobytes() == expected.moves.tobytes()


def test_a_slot_is_filled_again_after_the_run_that_used_it() -> None:
    plan = PlanBuilder(("gpu",))
    target, lane, after_run = StagingRing(plan, [10, 20]).turns(np.array([3, 4, 7]))
    assert (target.tolist(), lane.tolist(), after_run.tolist()) == ([10, 20, 10], [0, 1, 0], [-1, -1, 3])
