"""A result is what sections take for granted, or refused in one line: a file may say anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import ROWS, Row

_LARGEST: Final = 1e30
"""Of any number in a result; sums of such are numbers still."""


def check_result(result: Result, machine: Machine, folder: Path) -> None:
    """Raises `InputError` naming the field."""
    for field, found, allowed in _faults(result, machine):
        raise InputError(folder, f"result.json: {field}", Plain(found), allowed)


def _faults(result: Result, machine: Machine) -> Iterator[tuple[str, str, str]]:
    for field in ROWS:
        value, kind = getattr(result, field), str(Result.__dataclass_fields__[field].type)
        rows = dict if kind.startswith("dict") else list if kind.startswith("list") else None
        if rows is not None and not isinstance(value, rows):
            yield field, type(value).__name__, "rows"
        if rows is None and value is not None and not isinstance(value, Row):
            yield field, type(value).__name__, "a row"
    for field, parts in (("units", machine.units), ("memories", machine.memories)):
        if [row.name for row in getattr(result, field)] != list(parts):
            yield field, "those of another machine", f"those of {machine.name}"
    for row in result.assumptions:
        if not isinstance(row.range, list):
            yield "assumptions.range", type(row.range).__name__, "a list"
    power = result.power_over_time
    if power is not None:
        spans = list(power.watts.values()) if isinstance(power.watts, dict) else [None]
        if not all(isinstance(each, list) and len(each) == len(spans[0]) for each in spans):
            yield "power_over_time.watts", "curves of different lengths, or none", "a number for each span"
        elif not all(isinstance(watts, int | float) for each in spans for watts in each):
            yield "power_over_time.watts", "what is no number", "numbers"
    for value in _numbers(result.as_dict()):
        if not abs(value) < _LARGEST:
            yield "numbers", str(value), f"numbers below {_LARGEST:g}"


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float | int):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
