import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.axes import axis_values


def values(written: object) -> list[object]:
    return axis_values(written, "sweep.yaml", "grid.x")


def test_a_list_is_itself() -> None:
    assert values([3, "a", 1.5]) == [3, "a", 1.5]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"range": [1, 8], "step": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"range": [0, 1], "step": 0.25}, [0, 0.25, 0.5, 0.75, 1]),
        ({"range": [1, 8], "step": 3}, [1, 4, 7]),
        ({"range": [0.1, 0.5], "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"range": [0, 10], "count": 3}, [0, 5, 10]),
        ({"range": [1, 64], "count": 7, "spacing": "log", "integer": True}, [1, 2, 4, 8, 16, 32, 64]),
        ({"range": [16, 64], "count": 3, "spacing": "log", "unit": "GB/s"}, ["16 GB/s", "32 GB/s", "64 GB/s"]),
        ({"range": [5, 5], "count": 4}, [5]),
        ({"seeds": 3}, [0, 1, 2]),
        ({"seeds": 2, "first": 10}, [10, 11]),
    ],
)
def test_ranges_include_both_ends(written: object, expected: list[object]) -> None:
    assert values(written) == expected


def test_whole_steps_stay_whole() -> None:
    assert all(type(value) is int for value in values({"range": [1, 4], "step": 1}))


@given(low=st.floats(1e-3, 1e3), factor=st.floats(1.001, 1e3), count=st.integers(2, 40))
def test_logarithmic_neighbours_have_one_ratio(low: float, factor: float, count: int) -> None:
    found = values({"range": [low, low * factor], "count": count, "spacing": "log"})
    ratios = [math.log(b / a) for a, b in itertools.pairwise(found)]  # type: ignore[operator]
    assert len(found) == count
    assert ratios == pytest.approx([math.log(factor) / (count - 1)] * (count - 1), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "written",
    [
        [],
        3,
        "1..8",
        {},
        {"range": [1, 8]},
        {"range": [1, 8], "step": 1, "count": 3},
        {"range": [8, 1], "step": 1},
        {"range": [1], "step": 1},
        {"range": [1, 8], "step": 0},
        {"range": [1, 8], "step": -1},
        {"range": [1, 8], "count": 0},
        {"range": [1, 8], "count": 2.5},
        {"range": [0, 8], "count": 3, "spacing": "log"},
        {"range": [1, 8], "step": 1, "spacing": "log"},
        {"range": [1, 8], "count": 3, "spacing": "cubic"},
        {"range": [1, 8], "count": 3, "steps": 2},
        {"range": [0, 1e9], "step": 1e-3},
        {"range": [1, 8], "count": 3, "unit": 5},
        {"seeds": 0},
        {"seeds": 2, "first": -1},
        {"seeds": 2, "last": 5},
    ],
)
def test_refused_in_one_line_that_names_the_axis(written: object) -> None:
    with pytest.raises(InputError, match=r"^sweep\.yaml: grid\.x.*; allowed: ") as caught:
        values(written)
    assert "\n" not in str(caught.value)
