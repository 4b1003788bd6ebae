"""Collects event columns in any order and sorts them into a program."""

from __future__ import annotations

from array import array
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.workloads.lowering.columns import COLUMN, LANE, RANGE, SIZE, SLOT
from moe_cosim.workloads.program import ACCESS, EVENT, TAG, Program

Ints = NDArray[np.int64]

_SLOTS: Final = 16


class Range(NamedTuple):
    """An address range of every event of a column: scalars or arrays."""

    address: ArrayLike
    bytes: ArrayLike
    op: int
    what: int


class Place(NamedTuple):
    """When in a lane's order: step, layer (-1 before the layers), slot in the layer, order in it."""

    step: ArrayLike
    layer: ArrayLike
    slot: int
    order: ArrayLike = 0


class Purpose(NamedTuple):
    """What a column of events is for (`moe_cosim.workloads.program.TAG`)."""

    purpose: int
    expert: ArrayLike = -1
    weight_bits: ArrayLike = 0
    tokens: ArrayLike = 0


def order_in_cell(cell: Ints) -> Ints:
    """0, 1, … for rows of the same cell (rows of a cell follow each other)."""
    starts = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
    return np.arange(len(cell)) - np.repeat(starts, np.diff(starts, append=len(cell)))


class EventSheet:
    """Columns of events; `program` puts every lane's events in order of their `Place`."""

    def __init__(self, layers: int, steps: range, next_token: int = 0) -> None:
        self._layers, self._steps = layers, steps
        self.next_token = next_token
        self._columns, self._ranges = array("q"), array("q")
        self._sizes: list[int] = []
        self._access_count = 0
        # values of columns: arrays one after the other, and single numbers, which are the same for a whole column
        self._arrays: list[NDArray[Any]] = []
        self._array_starts: dict[int, int] = {}
        self._array_total = 0
        self._numbers = array("q")

    def new_tokens(self, count: int) -> Ints:
        """`count` token ids nobody has."""
        first, self.next_token = self.next_token, self.next_token + count
        return np.arange(first, first + count)

    def add(
        self,
        kind: int,
        lane: int,
        place: Place,
        purpose: Purpose,
        setup_ps: ArrayLike = 0,
        busy_ps: ArrayLike = 0,
        ranges: tuple[Range, ...] = (),
        token: ArrayLike = 0,
        count: ArrayLike = 0,
    ) -> None:
        """One column: arguments broadcast to its length (the length of `place.step`).

        Arrays are read when the program is made: they must not change before. Raises `ValueError` for an
        array of another length.
        """
        size = np.size(place.step)
        if size == 0:
            return
        if not 0 <= place.slot < _SLOTS:
            raise ValueError(f"slot {place.slot} is not in 0..{_SLOTS - 1}")
        value = self._value
        first_range = len(self._ranges) // RANGE
        self._columns.extend(
            (
                size,
                kind,
                lane,
                place.slot,
                purpose.purpose,
                first_range,
                len(ranges),
                value(place.step, size),
                value(place.layer, size),
                value(place.order, size),
                value(setup_ps, size),
                value(busy_ps, size),
                value(token, size),
                value(count, size),
                value(purpose.expert, size),
                value(purpose.weight_bits, size),
                value(purpose.tokens, size),
            )
        )
        for part in ranges:
            self._ranges.extend((value(part.address, size), value(part.bytes, size), part.op, part.what))
        self._sizes.append(size)
        self._access_count += size * len(ranges)

    def _value(self, value: ArrayLike, size: int) -> int:
        """Its code (`moe_cosim.workloads.lowering.columns`)."""
        if type(value) is int:
            self._numbers.append(value)
            return -len(self._numbers)
        array = np.asarray(value)
        if array.size == 1:
            self._numbers.append(int(array.item()))
            return -len(self._numbers)
        start = self._array_starts.get(id(value))
        if start is None:
            if array.shape != (size,):
                raise ValueError(f"an array of shape {array.shape} in a column of {size} events")
            start = self._array_starts[id(value)] = self._array_total
            self._arrays.append(array)
            self._array_total += size
        return start

    def program(self, lanes: tuple[tuple[str, str], ...], machine: str, meta: dict[str, object]) -> Program:
        """All columns as tables. Raises `ValueError` for a step or layer that the sheet does not have, or an
        order that is too large."""
        from moe_cosim.workloads.lowering.fill import fill  # Numba takes a while to import
        from moe_cosim.workloads.lowering.lane_order import put_in_order

        columns = np.frombuffer(self._columns, np.int64).reshape(-1, COLUMN)
        ranges = np.frombuffer(self._ranges, np.int64).reshape(-1, RANGE)
        numbers = np.frombuffer(self._numbers, np.int64)[::-1]
        pool = np.concatenate((*self._arrays, numbers), dtype=np.int64, casting="unsafe")
        total = sum(self._sizes)
        starts = np.cumsum(columns[:, SIZE]) - columns[:, SIZE]
        by_lane = np.lexsort((columns[:, SLOT], columns[:, LANE]))
        position, row, spare_row = np.empty((3, total), np.int32)
        key, spare_key = np.empty((2, total), np.int64)
        steps = self._steps
        ends = np.empty(len(steps) * (self._layers + 2), np.int32)
        if not put_in_order(
            columns,
            pool,
            starts,
            by_lane,
            steps.start,
            len(steps),
            self._layers,
            position,
            row,
            key,
            spare_row,
            spare_key,
            ends,
        ):
            raise ValueError("an event at a step, a layer or an order that the sheet has no room for")
        events, tags = np.empty(total, EVENT), np.empty(total, TAG)
        accesses = np.empty(self._access_count, ACCESS)
        fill(columns, ranges, pool, position, events, tags, accesses)
        return Program(lanes, events, accesses, tags, machine, meta)
