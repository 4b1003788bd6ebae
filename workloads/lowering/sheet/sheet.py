"""Collects event columns in any order and sorts them into a program."""

from __future__ import annotations

from array import array
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.workloads.lowering.sheet.columns import COLUMN, EVENT_FIELDS, RANGE, TAG_FIELDS
from moe_cosim.workloads.program import ACCESS, EVENT, TAG, Program

Ints = NDArray[np.int64]

_SLOTS: Final = 1 << 4
_ORDERS: Final = 1 << 40
_NOTHING: Final = np.zeros(0, np.int64)


class Range(NamedTuple):
    """An address range of every event of a column: scalars or arrays."""

    address: ArrayLike
    bytes: ArrayLike
    op: int
    what: int
    offset: int = 0
    """Added to every address."""


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
        self._first_slots: list[int] = []
        self._event_count = self._access_count = 0
        self._arrays: list[NDArray[Any]] = []
        self._starts: dict[int, int] = {}
        """Of the arrays by their ids, one after the other."""
        self._values = 0
        self._phases: dict[int, ArrayLike] = {}
        """By the id of the steps."""

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
        slot = place.slot
        self._first_slots.append(slot if type(slot) is int else int(np.ravel(slot)[0]))
        phase = self._phase(place.step)
        values = (
            lane,
            place.step,
            place.layer,
            slot,
            place.order,
            setup_ps,
            busy_ps,
            token,
            count,
            phase,
            *purpose[1:],
        )
        first_range = len(self._ranges) // RANGE
        self._columns.extend((size, kind, purpose.purpose, first_range, len(ranges), *self._coded(values, size)))
        for part in ranges:
            self._ranges.extend((part.op, part.what, part.offset, *self._coded((part.address, part.bytes), size)))
        self._event_count += size
        self._access_count += size * len(ranges)

    def _coded(self, values: tuple[ArrayLike, ...], size: int) -> list[int]:
        """Which of them vary, as bits, and the values (`moe_cosim.workloads.lowering.sheet.columns`)."""
        coded = [0]
        for index, value in enumerate(values):
            if type(value) is int:
                coded.append(value)
                continue
            found = np.asarray(value)
            if found.size == 1:
                coded.append(int(found.item()))
                continue
            if found.shape != (size,):
                raise ValueError(f"an array of shape {found.shape} in a column of {size} events")
            coded[0] |= 1 << index
            coded.append(self._start(found))
        return coded

    def _phase(self, step: ArrayLike) -> ArrayLike:
        """Index into `moe_cosim.workloads.program.PHASES`."""
        if self._steps.start > 0:
            return 1
        found = np.asarray(step)
        phase = self._phases.get(id(found))
        if phase is None:
            phase = found > 0
            if phase.size > 1:
                self._phases[id(found)] = phase
        return phase

    def _start(self, values: NDArray[Any]) -> int:
        start = self._starts.get(id(values))
        if start is None:
            start = self._starts[id(values)] = self._values
            self._arrays.append(values)
            self._values += len(values)
        return start

    def program(self, lanes: tuple[tuple[str, str], ...], machine: str, meta: dict[str, object]) -> Program:
        """All columns as tables. Raises `ValueError` for a lane, step, layer, slot or order that the sheet does not
        have."""
        from moe_cosim.workloads.lowering.sheet.fill import fill  # Numba takes a while to import

        columns = np.frombuffer(self._columns, np.int64).reshape(-1, COLUMN)
        ranges = np.frombuffer(self._ranges, np.int64).reshape(-1, RANGE)
        pool = np.concatenate((*self._arrays, _NOTHING), dtype=np.int64, casting="unsafe")
        position = self._positions(pool, columns, len(lanes))
        events, tags = _words(len(position), EVENT), _words(len(position), TAG)
        accesses = _words(self._access_count, ACCESS)
        fill(pool, columns, ranges, EVENT_FIELDS, TAG_FIELDS, position, events, tags, accesses)
        return Program(lanes, _table(events, EVENT), _table(accesses, ACCESS), _table(tags, TAG), machine, meta)

    def _positions(self, pool: Ints, columns: Ints, lanes: int) -> NDArray[np.int32]:
        """[events] of the columns, one after the other: their places in the program."""
        from moe_cosim.workloads.lowering.sheet.lane_order import put_in_order

        layers = self._layers + 2
        places = (
            (0, lanes, len(self._steps) * layers, 0),
            (self._steps.start, self._steps.stop, layers, 0),
            (-1, layers - 1, 1, 0),
            (0, _SLOTS, 0, _ORDERS),
            (0, _ORDERS, 0, 1),
        )
        position = np.empty(self._event_count, np.int32)
        row, key, bucket, sort_key = np.empty((4, self._event_count), np.int64)
        ends = np.zeros(lanes * len(self._steps) * layers, np.int64)
        starts = np.empty(len(columns), np.int64)
        visit = np.argsort(self._first_slots, kind="stable")
        if not put_in_order(pool, columns, visit, np.array(places), position, row, key, bucket, sort_key, ends, starts):
            raise ValueError("an event on a lane, or at a step, layer, slot or order, that the sheet has no room for")
        return position


def _words(rows: int, dtype: np.dtype[np.void]) -> Ints:
    """[rows, words] room for a table."""
    return np.empty((rows, dtype.itemsize // 8), np.int64)


def _table(words: Ints, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    return words.view(dtype).reshape(-1)
