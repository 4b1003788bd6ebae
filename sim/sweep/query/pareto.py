"""The points that no other point beats in every respect."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> list[int]:
    """Indices of the undominated rows of `values`, in order; equal rows are all kept.

    Row a dominates row b when it is at least as good in every column and better in one.
    """
    turned = [
        tuple(-value if up else value for value, up in zip(row, maximize, strict=True)) for row in values
    ]  # smaller is better
    front: list[int] = []
    kept: list[tuple[float, ...]] = []
    for index in sorted(range(len(turned)), key=lambda each: turned[each]):
        row = turned[index]
        # in this order only an earlier row can dominate a later one
        if not any(other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in kept):
            front.append(index)
            kept.append(row)
    return sorted(front)
