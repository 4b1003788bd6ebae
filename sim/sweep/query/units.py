"""Axis labels: a column's name in words, with the unit that the name carries."""

from __future__ import annotations

from typing import Final

_SUFFIXES: Final = (
    ("_tokens_per_s", "tokens/s"),
    ("_bytes_per_s", "bytes/s"),
    ("_per_s", "1/s"),
    ("_bytes", "bytes"),
    ("_ps", "ps"),
    ("_s", "s"),
    ("seconds", "s"),
    ("utilization", "share"),
    ("share", "share"),
    ("rate", "share"),
)
"""Longest first: the first that fits counts."""

_TOKENS: Final = ("prompt_tokens", "output_tokens")


def unit(column: str) -> str | None:
    """The unit that the column's name carries; None for a plain number or a name."""
    last = column.rsplit(".", 1)[-1]
    if last in _TOKENS:
        return "tokens"
    if column.startswith("assumptions."):
        return None
    return next((found for suffix, found in _SUFFIXES if last.endswith(suffix)), None)


def label(column: str, found_unit: str | None = None) -> str:
    """``decode_tokens_per_s`` as ``decode (tokens/s)``; `found_unit` is that of the values where they have one."""
    shown = found_unit or unit(column)
    name = column
    for suffix, its_unit in _SUFFIXES:
        if shown == its_unit and suffix.startswith("_") and name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    words = name.replace("_", " ")
    return f"{words} ({shown})" if shown else words
