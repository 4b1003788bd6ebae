"""Numbers with units, parsed once at the edge into one unit per dimension.

A general unit library would accept ``64 GBps`` or confuse ``Gb`` with ``GB``; the table below is the
whole language, so that a typing error is an error.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.unit_meant import meant

_SI = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_IEC = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

_UNITS: Final[dict[str, dict[str, float]]] = {
    "bytes": {p + "B": f for p, f in (_SI | _IEC).items()},
    "bytes/s": {p + "B/s": f for p, f in (_SI | _IEC).items()},
    "ps": {"ps": 1.0, "ns": 1e3, "us": 1e6, "µs": 1e6, "ms": 1e9, "s": 1e12},
    "Hz": {p + "Hz": f for p, f in _SI.items()},
    "op/s": {p + u: f for p, f in _SI.items() for u in ("FLOP/s", "OP/s", "MAC/s")},
    "transfers/s": {p + "T/s": f for p, f in _SI.items()},
    "W": {"mW": 1e-3, "W": 1.0, "kW": 1e3},
    "J": {"fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9, "µJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6},
    "mm2": {"mm2": 1.0},
    "USD": {"USD": 1.0},
    "J/bit": {"fJ/bit": 1e-15, "pJ/bit": 1e-12, "nJ/bit": 1e-9},
}
_EXAMPLE: Final = {
    "bytes": "a size such as '80 GB' or '4 KiB'",
    "bytes/s": "a rate such as '64 GB/s'",
    "ps": "a time such as '150 ns'",
    "Hz": "a frequency such as '1 GHz'",
    "op/s": "a compute rate such as '989.4 TFLOP/s'",
    "transfers/s": "a transfer rate such as '6400 MT/s'",
    "W": "a power such as '70 W'",
    "J": "an energy such as '0.32 pJ'",
    "mm2": "an area such as '814 mm2'",
    "USD": "a price such as '2000 USD'",
    "J/bit": "an energy such as '3.5 pJ/bit'",
    "number": "a plain finite number",
}
_PATTERN: Final = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ/]+2?)\s*$")

DIMENSIONS: Final = tuple(_EXAMPLE)


def parse_quantity(text: object, dimension: str, where: object, field: str) -> float:
    """The value of `text` in the base unit of `dimension` (one of `DIMENSIONS`).

    A quantity without its unit, with the unit of another dimension, or not finite raises
    `InputError` naming `where` and `field`. ``unlimited`` is allowed for rates.
    """
    allowed = _EXAMPLE[dimension]
    if dimension == "number":
        if isinstance(text, bool) or not isinstance(text, int | float) or not math.isfinite(text):
            raise InputError(where, field, text, allowed)
        return float(text)
    if dimension == "bytes/s" and text == "unlimited":
        return math.inf
    value = _read(text, dimension) if isinstance(text, str) else None
    if value is None:
        raise InputError(where, field, text, allowed + meant(text, dimension))
    return value


@lru_cache(maxsize=1024)
def _read(text: str, dimension: str) -> float | None:
    """None for what is no quantity. Remembered: points of a sweep read the same ones."""
    match = _PATTERN.match(text)
    if match is None or match[2] not in _UNITS[dimension]:
        return None
    value = float(match[1]) * _UNITS[dimension][match[2]]
    return value if math.isfinite(value) and value >= 0 else None


def dimension_of(text: str) -> str | None:
    """The dimension whose units `text` has; None for what is no quantity."""
    return next((dimension for dimension in _UNITS if _read(text, dimension) is not None), None)


def format_quantity(value: float, dimension: str) -> str:
    """`value` (base unit) as people read it: ``3.35 TB/s``, ``150 ns``, ``80 GB``."""
    if dimension == "number":
        return f"{value:g}"
    if math.isinf(value):
        return "unlimited"
    if dimension == "ps":
        steps = [("s", 1e12), ("ms", 1e9), ("us", 1e6), ("ns", 1e3), ("ps", 1.0)]
    elif dimension in ("W", "J", "J/bit", "mm2", "USD"):
        steps = sorted(_UNITS[dimension].items(), key=lambda step: -step[1])
    else:
        suffix = {"bytes": "B", "bytes/s": "B/s", "Hz": "Hz", "op/s": "FLOP/s", "transfers/s": "T/s"}[dimension]
        steps = [(p + suffix, f) for p, f in reversed(_SI.items()) if p != "K"]
    for unit, factor in steps:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:g} {steps[-1][0]}"
