"""What a policy decided: which unit runs whose tokens from which copy, and what moves when.

A plan is columnar (one row per decision, all layers of all steps), because a run has hundreds of
thousands of decisions; `PlanBuilder` is how a policy writes it, one layer of one step at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.quantization.formats import WeightFormat

RUN: Final = np.dtype(
    [
        ("step", "<i4"),
        ("layer", "<i4"),  # MoE layer
        ("expert", "<i4"),
        ("tokens", "<i8"),
        ("unit", "<i4"),  # index into Plan.units
        ("format", "<i4"),  # index into Plan.formats
        ("address", "<i8"),  # of the copy it reads
        ("move", "<i8"),  # row of the move that brought the copy; -1: it was there from the start
    ]
)
MOVE: Final = np.dtype(
    [
        ("step", "<i4"),  # issued when the gate of this layer
        ("layer", "<i4"),  # in this step is known
        ("of_layer", "<i4"),  # which layer's expert moves
        ("expert", "<i4"),
        ("format", "<i4"),
        ("source", "<i8"),
        ("target", "<i8"),
        ("prefetch", "?"),  # on the prefetch lane, else on demand
        ("after_run", "<i8"),  # row of the run that must end first (its slot is taken); -1: none
    ]
)
SKIP: Final = np.dtype([("step", "<i4"), ("layer", "<i4"), ("expert", "<i4"), ("tokens", "<i8")])
RESIDENT: Final = np.dtype([("layer", "<i4"), ("expert", "<i4"), ("format", "<i4"), ("address", "<i8")])


class Copy(NamedTuple):
    """One copy of an expert's weights: where it lies, how it is stored, which move brought it."""

    format: int
    address: int
    move: int = -1


@dataclass(frozen=True)
class Plan:
    """All decisions of a run. Rows are in the order in which the policy took them."""

    units: tuple[str, ...]
    formats: tuple[WeightFormat, ...]
    runs: NDArray[np.void]
    moves: NDArray[np.void]
    skips: NDArray[np.void]
    residents: NDArray[np.void]
    """Copies that are in place before the run starts."""


class PlanBuilder:
    """Collects a plan. `at` sets the layer and step that the following decisions belong to."""

    def __init__(self, units: tuple[str, ...]) -> None:
        self._units = {name: index for index, name in enumerate(units)}
        self._formats: dict[WeightFormat, int] = {}
        self._runs: list[tuple[int, ...]] = []
        self._moves: list[tuple[int, ...]] = []
        self._skips: list[tuple[int, ...]] = []
        self._residents: list[NDArray[np.void]] = []
        self._step = 0
        self._layer = 0

    def at(self, step: int, layer: int) -> None:
        self._step, self._layer = step, layer

    def format_index(self, weight_format: WeightFormat) -> int:
        return self._formats.setdefault(weight_format, len(self._formats))

    def reside(self, weight_format: WeightFormat, addresses: NDArray[np.int64]) -> None:
        """Copies in place from the start: `addresses` [layers, experts], -1 where there is none."""
        layers, experts = np.nonzero(addresses >= 0)
        rows = np.zeros(len(layers), RESIDENT)
        rows["layer"], rows["expert"] = layers, experts
        rows["format"] = self.format_index(weight_format)
        rows["address"] = addresses[layers, experts]
        self._residents.append(rows)

    def run(self, expert: int, tokens: int, unit: str, copy: Copy) -> int:
        """`unit` computes `tokens` tokens of `expert` of this layer. Returns the row."""
        self._runs.append(
            (self._step, self._layer, expert, tokens, self._units[unit], copy.format, copy.address, copy.move)
        )
        return len(self._runs) - 1

    def move(
        self, of_layer: int, expert: int, source: Copy, target: int, prefetch: bool = False, after_run: int = -1
    ) -> Copy:
        """Copy an expert's weights to address `target`, once this layer's gate is known."""
        self._moves.append(
            (self._step, self._layer, of_layer, expert, source.format, source.address, target, prefetch, after_run)
        )
        return Copy(source.format, target, len(self._moves) - 1)

    def skip(self, expert: int, tokens: int) -> None:
        """Leave `tokens` tokens of `expert` uncomputed (only for policies that may)."""
        self._skips.append((self._step, self._layer, expert, tokens))

    def build(self) -> Plan:
        residents = np.concatenate(self._residents) if self._residents else np.zeros(0, RESIDENT)
        return Plan(
            tuple(self._units),
            tuple(self._formats),
            _table(self._runs, RUN),
            _table(self._moves, MOVE),
            _table(self._skips, SKIP),
            residents,
        )


def _table(rows: list[tuple[int, ...]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    table = np.zeros(len(rows), dtype)
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), len(dtype.names or ()))
    for index, name in enumerate(dtype.names or ()):
        table[name] = columns[:, index]
    return table
