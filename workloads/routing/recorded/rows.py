"""Recordings of one row for each token and layer, in any order, of which only a block is in memory at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.routing import Experts

MOST_NUMBER: Final = 2**31
"""Above every sequence, token and layer number, so that two of them are one int64."""


@dataclass(frozen=True)
class Rows:
    """Some rows [rows], in the order of the file."""

    sequence: NDArray[np.int64]
    token: NDArray[np.int64]
    """Counts within its sequence."""
    layer: NDArray[np.int64]
    experts: Experts
    """[rows, k]."""
    weights: NDArray[Any] | None
    """[rows, k], finite and 0 or more, in any scale; None if the recording has none."""
    line: NDArray[np.int64]
    """Where each stands in the file."""

    def __len__(self) -> int:
        return len(self.line)


class RowSource(ABC):
    """A file of rows, read anew from its beginning as often as it is asked for."""

    where: Path
    unit: ClassVar[str] = "line"
    """What a row is called in messages."""
    num_experts: int | None = None
    """Of a layer, where the file says it."""
    prompt_tokens: NDArray[np.int64] | None = None
    """[documents], where the file says it."""
    domains: tuple[str, ...] | None = None

    @abstractmethod
    def blocks(self) -> Iterator[Rows]:
        """All rows, each with the same k and either all with weights or none. Raises `InputError` naming the line."""


def check_rows(rows: Rows, where: Path, unit: str) -> None:
    """Raise `InputError` for numbers beyond what they may be, and for an expert twice in a row."""
    for name in ("sequence", "token", "layer"):
        numbers: NDArray[np.int64] = getattr(rows, name)
        bad = np.flatnonzero((numbers < 0) | (numbers >= MOST_NUMBER))
        if len(bad):
            found = int(numbers[bad[0]])
            raise InputError(
                where, f"{unit} {rows.line[bad[0]]} {name}", found, f"whole numbers from 0 to {MOST_NUMBER - 1}"
            )
    ordered = np.sort(rows.experts, axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(twice):
        at = f"{unit} {rows.line[twice[0]]} experts"
        raise InputError(
            where, at, Plain(f"{rows.experts[twice[0]].tolist()}, an expert twice in one token"), "all different"
        )
