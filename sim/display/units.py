"""The unit of a number, from the name that it has, and the prefix that suits its size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SUFFIXES: Final = (
    ("_tokens_per_s", "tokens/s"),
    ("_bytes_per_s", "B/s"),
    ("joules_per_token", "J/token"),
    ("bits_per_weight", "bits/weight"),
    ("average_bits", "bits/weight"),
    ("tokens_per_layer", "tokens"),
    ("_per_s", "1/s"),
    ("bytes", "B"),
    ("tokens", "tokens"),
    ("_ps", "ps"),
    ("_js", "J·s"),
    ("_s", "s"),
    ("seconds", "s"),
    ("joules", "J"),
    ("_w", "W"),
    ("_mm2", "mm²"),
    ("_usd", "USD"),
    ("utilization", SHARE := "share"),
    ("utilization_with_copies", SHARE),
    ("share", SHARE),
    ("rate", SHARE),
    ("delta_loss", "nats/token"),
)
"""Of fields of results and experiments; the first that fits counts."""

_HIGHER: Final = ("tokens/s", "B/s", "1/s")
_LOWER: Final = ("s", "ps", "J", "J/token", "J·s", "W", "B", "nats/token", "mm²", "USD")

_LARGER: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SMALLER: Final = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))
_LARGE: Final = ("B", "B/s", "Hz", "op/s", "transfers/s", "op/B", "op")
"""Units that take the prefixes above one."""
_SMALL: Final = ("s",)
"""Those that take the prefixes below one."""
_BOTH: Final = ("J", "J/token", "J/bit", "W", "J·s")


def unit_of(name: str) -> str:
    """The unit that the last part of a dotted name carries; "" for plain numbers and texts."""
    last = name.rsplit(".", 1)[-1]
    return next((unit for suffix, unit in _SUFFIXES if last.endswith(suffix)), "")


def better(unit: str) -> str:
    """Whether ``higher`` or ``lower`` values of that unit are what a system is built for; "" where neither is."""
    return "higher" if unit in _HIGHER else "lower" if unit in _LOWER else ""


def shown(values: Iterable[float], unit: str) -> tuple[float, str]:
    """What to divide values by, and the unit they then have: (1e9, ``GB/s``) for some 10^10 B/s.

    The largest is shown between 1 and 1000 where the unit takes prefixes. Shares become %.
    """
    if unit == SHARE:
        return 0.01, "%"
    if unit == "ps":
        factor, text = shown((value * 1e-12 for value in values), "s")
        return factor * 1e12, text
    most = max((abs(value) for value in values), default=0.0)
    steps: tuple[tuple[float, str], ...] = ((1.0, ""),)
    if unit in _LARGE or unit in _BOTH:
        steps = (*_LARGER, *steps)
    if unit in _SMALL or unit in _BOTH:
        steps = (*steps, *_SMALLER)
    factor, prefix = next((step for step in steps if most >= step[0]), steps[-1] if most else (1.0, ""))
    return factor, prefix + unit
