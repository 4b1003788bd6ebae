"""What a policy decided: which unit runs whose tokens from which copy, and what moves when.

A plan is columnar (one row per decision), because a run has hundreds of thousands of decisions;
`PlanBuilder` is how a policy writes it, row by row or in columns. A long run is planned in blocks of
steps; rows are numbered through the whole run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.bounce import BounceBuffers
from moe_cosim.workloads.stripes import Stripes

RUN: Final = np.dtype(
    [
        ("step", "<i4"),
        ("layer", "<i4"),  # MoE layer
        ("expert", "<i4"),
        ("tokens", "<i8"),
        ("unit", "<i4"),  # index into Plan.units; from len(units) on: into Plan.teams
        ("format", "<i4"),  # index into Plan.formats
        ("address", "<i8"),  # of the copy it reads (see `moe_cosim.workloads.stripes` for striped ones)
        ("move", "<i8"),  # row of the move that brought the copy; -1: it was there from the start
        ("deferred", "?"),  # merged one MoE layer later
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
        ("early", "?"),  # issued when the layer begins, before its gate; the layer does not end before it has
    ]
)
SKIP: Final = np.dtype([("step", "<i4"), ("layer", "<i4"), ("expert", "<i4"), ("tokens", "<i8")])
RESIDENT: Final = np.dtype([("layer", "<i4"), ("expert", "<i4"), ("format", "<i4"), ("address", "<i8")])

Column: TypeAlias = NDArray[Any] | int
"""Of whole numbers or truths; a single one holds for all rows."""


class Copy(NamedTuple):
    """One copy of an expert's weights: where it lies, how it is stored, which move brought it."""

    format: int
    address: int
    move: int = -1


@dataclass(frozen=True)
class Plan:
    """The decisions of a run, or of a block of its steps. Rows are in the order in which the policy took them.

    Tables are [rows] of records: `runs` of `RUN`, `moves` of `MOVE`, `skips` of `SKIP`, `residents` of `RESIDENT`.
    """

    units: tuple[str, ...]
    formats: tuple[WeightFormat, ...]
    runs: NDArray[np.void]
    moves: NDArray[np.void]
    skips: NDArray[np.void]
    residents: NDArray[np.void]
    """Copies that are in place before the run starts."""
    stripes: Stripes | None = None
    """Where the parts of striped copies lie."""
    teams: tuple[tuple[str, ...], ...] = ()
    """Units that compute an expert together, each its slice of every matrix (tensor parallelism).
    Member i reads part i of a striped copy."""
    first_run: int = 0
    """Number of the first row of `runs`: rows are counted through the whole run."""
    first_move: int = 0
    bounce: BounceBuffers | None = None
    """By way of which moves from flash memory reach the GPU where its path leads over the host."""


class _Table:
    """A growing table: records one by one, or whole columns at once; the order is that in which they came."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self._dtype = dtype
        kinds = {"<i4": "i", "<i8": "q", "|b1": "?"}
        self._pack = struct.Struct("<" + "".join(kinds[dtype[name].str] for name in dtype.names or ())).pack
        self._whole: list[NDArray[np.void]] = []
        self._last = bytearray()
        self.next = 0
        """Number of the row that comes next, counted through the whole run."""

    def append(self, *fields: int) -> int:
        """Returns the row's number."""
        self._last += self._pack(*fields)
        self.next += 1
        return self.next - 1

    def extend(self, rows: int, *columns: Column) -> int:
        """So many `rows`; a column that is one number holds for all. Returns the number of the first."""
        table = np.empty(rows, self._dtype)
        for name, column in zip(self._dtype.names or (), columns, strict=True):
            table[name] = column
        self._end_piece()
        self._whole.append(table)
        self.next += rows
        return self.next - rows

    def take(self) -> NDArray[np.void]:
        """Everything since the last call."""
        self._end_piece()
        whole, self._whole = self._whole, []
        return _joined(whole, self._dtype)

    def _end_piece(self) -> None:
        if self._last:
            self._whole.append(np.frombuffer(self._last, self._dtype))
            self._last = bytearray()


class PlanBuilder:
    """Collects a plan: decisions one by one (`run`, `move`, `skip`), or many at once as columns (`run_rows`,
    `move_rows`, `skip_rows`) where a policy takes them so.

    `at` sets the layer and step that the following single decisions belong to.
    """

    def __init__(self, units: tuple[str, ...]) -> None:
        self._units = {name: index for index, name in enumerate(units)}
        self._computing = len(units)
        self._formats: dict[WeightFormat, int] = {}
        self._runs, self._moves, self._skips = _Table(RUN), _Table(MOVE), _Table(SKIP)
        self._residents: list[NDArray[np.void]] = []
        self._first_run = 0
        self._first_move = 0
        self._teams: list[tuple[str, ...]] = []
        self.stripes: Stripes | None = None
        self.bounce: BounceBuffers | None = None
        self._step = 0
        self._layer = 0

    def at(self, step: int, layer: int) -> None:
        """The step and MoE layer of the single decisions that follow."""
        self._step, self._layer = step, layer

    def team(self, name: str, members: tuple[str, ...]) -> str:
        """`name`, from now on a unit that `run` takes: all `members` together."""
        self._units[name] = self._computing + len(self._teams)
        self._teams.append(members)
        return name

    def unit_index(self, name: str) -> int:
        """Of a unit that computes, or of a team, as `run_rows` takes it."""
        return self._units[name]

    def format_index(self, weight_format: WeightFormat) -> int:
        """Its number in `Plan.formats`; the first time, it joins them."""
        return self._formats.setdefault(weight_format, len(self._formats))

    @property
    def next_run(self) -> int:
        """Number of the run that comes next, counted through the whole run of the experiment."""
        return self._runs.next

    @property
    def next_move(self) -> int:
        """The same of moves."""
        return self._moves.next

    def reside(self, weight_format: WeightFormat, addresses: NDArray[np.int64]) -> None:
        """Copies in place from the start: `addresses` [layers, experts], -1 where there is none."""
        layers, experts = np.nonzero(addresses >= 0)
        rows = np.zeros(len(layers), RESIDENT)
        rows["layer"], rows["expert"] = layers, experts
        rows["format"] = self.format_index(weight_format)
        rows["address"] = addresses[layers, experts]
        self._residents.append(rows)

    def run(self, expert: int, tokens: int, unit: str, copy: Copy, deferred: bool = False) -> int:
        """`unit` computes `tokens` tokens of `expert` of this layer. Returns the row.

        A `deferred` run is not on the GPU, not in the last MoE layer, and merged one MoE layer later.
        """
        return self._runs.append(
            self._step, self._layer, expert, tokens, self._units[unit], copy.format, copy.address, copy.move, deferred
        )

    def run_rows(
        self,
        step: Column,
        layer: Column,
        expert: NDArray[Any],
        tokens: Column,
        unit: Column,
        weight_format: Column,
        address: Column,
        move: Column = -1,
        deferred: Column = False,
    ) -> int:
        """As `run` for many experts at once: columns as `RUN` has them, [len(expert)] or one number for all.

        Returns the first row; the others follow it.
        """
        columns = (step, layer, expert, tokens, unit, weight_format, address, move, deferred)
        return self._runs.extend(len(expert), *columns)

    def move(
        self,
        of_layer: int,
        expert: int,
        source: Copy,
        target: int,
        prefetch: bool = False,
        after_run: int = -1,
        early: bool = False,
    ) -> Copy:
        """Copy an expert's weights to address `target`, once this layer's gate is known.

        An `early` move starts when this layer does, and the layer does not end before it has: what
        it leaves and fills is free to use in every later layer.
        """
        places = (source.address, target)
        row = self._moves.append(
            self._step, self._layer, of_layer, expert, source.format, *places, prefetch, after_run, early
        )
        return Copy(source.format, target, row)

    def move_rows(
        self,
        step: Column,
        layer: Column,
        of_layer: Column,
        expert: NDArray[Any],
        weight_format: Column,
        source: Column,
        target: Column,
        prefetch: Column = False,
        after_run: Column = -1,
        early: Column = False,
    ) -> int:
        """As `move` for many experts at once: columns as `MOVE` has them, [len(expert)] or one number for all.

        Returns the first row; the others follow it.
        """
        columns = (step, layer, of_layer, expert, weight_format, source, target, prefetch, after_run, early)
        return self._moves.extend(len(expert), *columns)

    def skip(self, expert: int, tokens: int) -> None:
        """Leave `tokens` tokens of `expert` uncomputed (only for policies that may)."""
        self._skips.append(self._step, self._layer, expert, tokens)

    def skip_rows(self, step: Column, layer: Column, expert: NDArray[Any], tokens: Column) -> None:
        """As `skip` for many experts at once: columns [n] as `SKIP` has them, single numbers for all."""
        self._skips.extend(len(expert), step, layer, expert, tokens)

    def take(self) -> Plan:
        """What was decided since the last call."""
        taken = Plan(
            tuple(self._units)[: self._computing],
            tuple(self._formats),
            self._runs.take(),
            self._moves.take(),
            self._skips.take(),
            _joined(self._residents, RESIDENT),
            self.stripes,
            tuple(self._teams),
            self._first_run,
            self._first_move,
            self.bounce,
        )
        self._first_run, self._first_move = self._runs.next, self._moves.next
        self._residents.clear()
        return taken


def _joined(tables: Sequence[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """One after the other. (`np.concatenate` promotes every field of records, which takes longer than copying.)"""
    if len(tables) == 1:
        return tables[0]
    whole = np.empty(sum(map(len, tables)), dtype)
    at = 0
    for table in tables:
        whole[at : at + len(table)] = table
        at += len(table)
    return whole


def join_plans(plans: Sequence[Plan]) -> Plan:
    """Blocks of one run that follow each other, as one plan."""
    first, last = plans[0], plans[-1]

    def table(name: str) -> NDArray[np.void]:
        return np.concatenate([getattr(plan, name) for plan in plans])

    return replace(
        last,
        runs=table("runs"),
        moves=table("moves"),
        skips=table("skips"),
        residents=table("residents"),
        first_run=first.first_run,
        first_move=first.first_move,
    )
