"""Collects event columns in any order and sorts them into a program."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.workloads.lowering.sheet.columns import COLUMN, RANGE, SIZE, SLOT
from moe_cosim.workloads.program import ACCESS, EVENT, TAG, Program

Ints = NDArray[np.int64]


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
    slot: ArrayLike
    order: ArrayLike = 0


class Purpose(NamedTuple):
    """What a column of events is for (`moe_cosim.workloads.program.TAG`)."""

    purpose: int
    expert: ArrayLike = -1
    weight_bits: ArrayLike = 0
    tokens: ArrayLike = 0


class EventSheet:
    """Columns of events; `program` puts every lane's events in order of their `Place`."""

    def __init__(self, layers: int, steps: range, next_token: int = 0) -> None:
        self._layers, self._steps = layers, steps
        self.next_token = next_token
        self._columns, self._ranges = array("q"), array("q")
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
        lane: ArrayLike,
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
        value = self._value
        self._columns.extend(
            (
                size,
                kind,
                purpose.purpose,
                len(self._ranges) // RANGE,
                len(ranges),
                value(lane, size),
                value(place.step, size),
                value(place.layer, size),
                value(place.slot, size),
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
        self._access_count += size * len(ranges)

    def _value(self, value: ArrayLike, size: int) -> int:
        """Its code (`moe_cosim.workloads.lowering.sheet.columns`)."""
        if type(value) is int:
            self._numbers.append(value)
            return -len(self._numbers)
        values = np.asarray(value)
        if values.size == 1:
            self._numbers.append(int(values.item()))
            return -len(self._numbers)
        start = self._array_starts.get(id(values))
        if start is None:
            if values.shape != (size,):
                raise ValueError(f"an array of shape {values.shape} in a column of {size} events")
            start = self._array_starts[id(values)] = self._array_total
            self._arrays.append(values)
            self._array_total += size
        return start

    def program(self, lanes: tuple[tuple[str, str], ...], machine: str, meta: dict[str, object]) -> Program:
        """All columns as tables. Raises `ValueError` for a lane, step, layer, slot or order that the sheet does not
        have."""
        from moe_cosim.workloads.lowering.sheet.fill import fill  # Numba takes a while to import

        columns = np.frombuffer(self._columns, np.int64).reshape(-1, COLUMN)
        ranges = np.frombuffer(self._ranges, np.int64).reshape(-1, RANGE)
        numbers = np.frombuffer(self._numbers, np.int64)[::-1]
        pool = np.concatenate((*self._arrays, numbers), dtype=np.int64, casting="unsafe")
        position = self._positions(columns, pool, len(lanes))
        events, tags = _words(len(position), EVENT), _words(len(position), TAG)
        accesses = _words(self._access_count, ACCESS)
        fill(columns, ranges, pool, position, events, tags, accesses)
        return Program(lanes, _table(events, EVENT), _table(accesses, ACCESS), _table(tags, TAG), machine, meta)

    def _positions(self, columns: Ints, pool: Ints, lanes: int) -> NDArray[np.int32]:
        """[events] of the columns, one after the other: their places in the program."""
        from moe_cosim.workloads.lowering.sheet.lane_order import put_in_order

        sizes = columns[:, SIZE]
        starts = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        slots = pool[columns[:, SLOT]]
        position, row, spare_row = np.empty((3, total), np.int32)
        key, spare_key = np.empty((2, total), np.int64)
        ends = np.zeros((lanes, len(self._steps) * (self._layers + 2)), np.int32)
        if not put_in_order(
            columns,
            pool,
            np.argsort(slots, kind="stable"),
            starts,
            self._steps.start,
            self._layers,
            position,
            row,
            key,
            spare_row,
            spare_key,
            ends,
        ):
            raise ValueError("an event on a lane, or at a step, layer, slot or order, that the sheet has no room for")
        return position


def _words(rows: int, dtype: np.dtype[np.void]) -> Ints:
    """[rows, words] room for a table."""
    return np.empty((rows, dtype.itemsize // 8), np.int64)


def _table(words: Ints, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    return words.view(dtype).reshape(-1)
