"""Numbers with the prefix that suits them."""

from __future__ import annotations

from moe_cosim.sim.display.units import shown


def number(value: float, unit: str) -> str:
    """``3.35 TB/s``, ``45.7 tokens/s``, ``12.3 %``."""
    factor, text = shown([value], unit)
    return f"{_digits(value / factor)} {text}".rstrip()


def _digits(value: float) -> str:
    """Three, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
