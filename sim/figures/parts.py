"""Which columns of a result are the parts of a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.programs.program import PHASES

OTHER: Final = "other"
"""All parts that are not shown apart."""
_NUMBER: Final = re.compile(r"\d+(?=\.|$|:|-)")
_Keys = tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """Something that is made of parts."""

    name: str
    title: str
    unit: str
    usual: str
    """What the parts are told apart by, unless something else is asked for."""
    tables: tuple[tuple[str, _Keys, tuple[str, ...]], ...]
    """Table, what the parts of a column between table and field are, and the fields that are added up. The first table
    that has what is asked for counts; only the first part of a column may have dots."""

    @property
    def by(self) -> _Keys:
        """What it can be split by."""
        return tuple(dict.fromkeys(key for _, keys, _ in self.tables for key in keys))


WHOLES: Final = {
    "critical-path": Whole(
        "critical path",
        "Time",
        "s",
        "purpose",
        (("critical_path", ("unit", "phase", "purpose", "bound"), ("seconds",)),),
    ),
    "energy": Whole(
        "energy",
        "Energy",
        "J",
        "component",
        (
            ("energy_components", ("component", "cause"), ("joules",)),
            ("energy_purposes", ("phase", "purpose"), ("joules",)),
        ),
    ),
    "bytes": Whole(
        "bytes through memories",
        "Memory traffic",
        "B",
        "contents",
        (
            ("traffic", ("contents",), ("memory_bytes",)),
            ("memories", ("memory",), ("read_bytes", "written_bytes")),
        ),
    ),
    "link-bytes": Whole(
        "bytes between devices",
        "Traffic between devices",
        "B",
        "contents",
        (("traffic", ("contents",), ("crossed_bytes",)), ("links", ("link",), ("bytes",))),
    ),
}
"""By the word that ``--of`` takes."""

PER: Final = {"run": "", "token": " per token", "step": " per decode step"}
"""What is said of a whole that is divided."""


def part_columns(columns: Sequence[str], whole: Whole, by: str, phase: str | None) -> dict[str, list[str]]:
    """Columns by the name of the part that they belong to; instances of a component are one part.

    `phase` takes only the columns of one. Raises `InputError` for a whole that is not told by phase together with `by`.
    """
    if phase is not None and phase not in PHASES:
        raise InputError("plot", "--phase", phase, PHASES)
    table, keys, fields = next(one for one in whole.tables if by in one[1])
    if phase is not None and "phase" not in keys:
        told = [key for _, others, _ in whole.tables if "phase" in others for key in others]
        allowed = f"--by {' or '.join(told)} with --phase" if told else "a whole that is told by phase: critical-path"
        raise InputError("plot", "--phase", Plain(f"with --of {whole.name} by {by}"), allowed)
    found: dict[str, list[str]] = {}
    for column in columns:
        if not column.startswith(f"{table}."):
            continue
        rest, _, field = column.removeprefix(f"{table}.").rpartition(".")
        if field not in fields:
            continue
        pieces = rest.rsplit(".", len(keys) - 1) if len(keys) > 1 else [rest]
        said = dict(zip(keys, pieces, strict=True))
        if phase is None or said["phase"] == phase:
            name = _NUMBER.sub("*", said[by]) if by in ("unit", "memory", "link") else said[by]
            found.setdefault(name, []).append(column)
    return found


def divisor_columns(per: str | None) -> tuple[str, ...]:
    """Whose product the whole is divided by."""
    if per == "token":
        return "workload.batch", "workload.output_tokens"
    return ("decode_steps",) if per == "step" else ()
