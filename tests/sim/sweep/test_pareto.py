from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.sim.sweep.query.pareto import pareto_front

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


@given(rows=ROWS, up=st.tuples(st.booleans(), st.booleans()))
def test_the_front_is_what_no_row_dominates(rows: list[tuple[int, int]], up: tuple[bool, bool]) -> None:
    def dominates(a: tuple[int, int], b: tuple[int, int]) -> bool:
        better = [x >= y if high else x <= y for x, y, high in zip(a, b, up, strict=True)]
        return all(better) and a != b

    expected = [i for i, row in enumerate(rows) if not any(dominates(other, row) for other in rows)]
    assert pareto_front(rows, up) == expected


def test_one_column_keeps_the_best() -> None:
    assert pareto_front([[3.0], [5.0], [5.0], [1.0]], [True]) == [1, 2]
