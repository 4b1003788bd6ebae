"""Collecting a plan: row by row and in columns are the same rows, numbered through all blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.workloads.plan import MOVE, RUN, SKIP, Copy, PlanBuilder, join_plans

rows = st.tuples(st.integers(0, 9), st.integers(1, 1 << 40), st.integers(0, 1), st.integers(0, 1 << 62), st.booleans())
pieces = st.lists(st.tuples(st.booleans(), st.booleans(), st.lists(rows, max_size=4)), max_size=6)


@given(pieces)
def test_columns_and_single_rows_give_the_same_plan(pieces: list[tuple[bool, bool, list[tuple]]]) -> None:
    mixed, single = PlanBuilder(("gpu", "ndp")), PlanBuilder(("gpu", "ndp"))
    blocks = []
    for step, (in_columns, ends_block, chosen) in enumerate(pieces):
        numbers, expected = [], []
        single.at(step, 3)
        mixed.at(step, 3)
        for expert, tokens, unit, address, flag in chosen:
            copy = Copy(0, address)
            moved = single.move(2, expert, copy, tokens, prefetch=flag, early=not flag)
            expected.append((single.run(expert, tokens, ("gpu", "ndp")[unit], moved, deferred=flag), moved.move))
            single.skip(expert, tokens)
            if not in_columns:
                moved = mixed.move(2, expert, copy, tokens, prefetch=flag, early=not flag)
                numbers.append((mixed.run(expert, tokens, ("gpu", "ndp")[unit], moved, deferred=flag), moved.move))
                mixed.skip(expert, tokens)
        if in_columns:
            expert, tokens, unit, address = (np.array([row[i] for row in chosen], dtype=np.int64) for i in range(4))
            flag = np.array([row[4] for row in chosen], dtype=bool)
            first = mixed.move_rows(step, 3, 2, expert, 0, address, tokens, prefetch=flag, early=~flag)
            assert mixed.next_run == single.next_run - len(chosen)
            run = mixed.run_rows(step, 3, expert, tokens, unit, 0, tokens, first + np.arange(len(chosen)), flag)
            mixed.skip_rows(step, 3, expert, tokens)
            numbers = [(run + index, first + index) for index in range(len(chosen))]
        assert numbers == expected
        if ends_block:
            blocks.append(mixed.take())
    found, whole = join_plans([*blocks, mixed.take()]), single.take()
    assert (found.runs.dtype, found.moves.dtype, found.skips.dtype) == (RUN, MOVE, SKIP)
    for name in ("runs", "moves", "skips"):
        assert getattr(found, name).tobytes() == getattr(whole, name).tobytes()
    assert (found.first_run, found.first_move) == (0, 0)


def test_blocks_count_on() -> None:
    plan = PlanBuilder(("gpu",))
    for step in range(3):
        plan.at(step, 0)
        assert plan.run(7, 1, "gpu", plan.move(0, 7, Copy(0, 1), 2)) == step
        taken = plan.take()
        assert (taken.first_run, taken.first_move) == (step, step)
        assert taken.runs["move"].tolist() == [step]
    assert len(plan.take().runs) == 0
