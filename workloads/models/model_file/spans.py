"""Layers as a file lists them: ``0``, ``3:60`` (both included), ``1:23:2`` (every second), several behind commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from moe_cosim.errors import InputError, Plain

_SPAN: Final = re.compile(r"(\d{1,5})(?::(\d{1,5})(?::(\d{1,5}))?)?")
ALLOWED: Final = "layers such as 5, '3:60' (both included), '1:23:2' (every second), or several behind commas"


def layers_in(text: str | int, layers: int, where: object, field: str) -> tuple[int, ...]:
    """Increasing numbers below `layers`. Raises `InputError` for what is no list of them, and for what lies beyond."""
    found: set[int] = set()
    for part in str(text).split(","):
        span = _SPAN.fullmatch(part.strip())
        if span is None or span[3] == "0":
            raise InputError(where, field, text, ALLOWED)
        first = int(span[1])
        last = int(span[2]) if span[2] else first
        if not first <= last < layers:
            raise InputError(where, field, Plain(part.strip()), f"from 0 to {layers - 1}, the smaller number first")
        found.update(range(first, last + 1, int(span[3] or 1)))
    return tuple(sorted(found))


def spans_of(layers: Sequence[int]) -> str | int:
    """The shortest such text of increasing numbers; at least one."""
    parts, begin = [], 0
    while begin < len(layers):
        end, step = begin, 1
        if begin + 1 < len(layers):
            step = layers[begin + 1] - layers[begin]
            while end + 1 < len(layers) and layers[end + 1] - layers[end] == step:
                end += 1
        if step > 1 and end == begin + 1:  # two numbers are no series
            end = begin
        first, last = layers[begin], layers[end]
        parts.append(str(first) if first == last else f"{first}:{last}" + (f":{step}" if step > 1 else ""))
        begin = end + 1
    return int(parts[0]) if len(parts) == 1 and parts[0].isdigit() else ", ".join(parts)
