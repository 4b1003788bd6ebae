"""Rankings against every pair looked at one by one."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from moe_cosim.sim.validate.compared import ComparedRow
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.ranking import rankings


def row(name: str, predicted: float, measured: float, group: str = "g", metric: str = "m") -> ComparedRow:
    return ComparedRow(
        "systems", CsvRow(Path("a.csv"), 2, {}), name, metric, "s", predicted, measured, {"group": group}
    )


values = some.integers(1, 30).map(float)


@given(some.lists(some.tuples(values, values), min_size=2, max_size=8))
def test_every_pair_is_right_tied_or_wrong(figures: list[tuple[float, float]]) -> None:
    (found,) = rankings([row(str(index), *each) for index, each in enumerate(figures)], "group")
    right = tied = 0
    wrong = set()
    for i, (predicted_i, measured_i) in enumerate(figures):
        for j, (predicted_j, measured_j) in enumerate(figures):
            if i < j and max(measured_i, measured_j) < 1.1 * min(measured_i, measured_j) - 1e-9:
                tied += 1
            elif measured_i > measured_j and not (measured_i < 1.1 * measured_j - 1e-9):
                if predicted_i > predicted_j:
                    right += 1
                else:
                    wrong.add((str(i), str(j)))
    assert (found.right, found.tied, set(found.wrong)) == (right, tied, wrong)
    assert found.right + found.tied + len(found.wrong) == len(figures) * (len(figures) - 1) // 2


def test_a_wrong_pair_names_the_one_measured_larger_first() -> None:
    (found,) = rankings([row("slow", 5.0, 1.0), row("fast", 4.0, 2.0)], "group")
    assert found.as_dict()["wrong_pairs"] == [["fast", "slow"]]


def test_the_same_prediction_for_two_is_no_order() -> None:
    (found,) = rankings([row("slow", 4.0, 1.0), row("fast", 4.0, 2.0)], "group")
    assert len(found.wrong) == 1


def test_groups_and_metrics_are_apart() -> None:
    rows = [row("a", 1, 1, "x"), row("b", 2, 2, "y"), row("c", 3, 3, "x", "other"), row("d", 4, 4, "x")]
    (found,) = rankings(rows, "group")
    assert (found.group, found.metric, found.right) == ("x", "m", 1)
