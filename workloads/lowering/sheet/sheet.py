"""Collects event columns in any order and sorts them into a program."""

from __future__ import annotations

from array import array
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.workloads.lowering.sheet.columns import COLUMN, EVENT_WORDS, FIELDS, RANGE, RANGE_VARIES, VARIES, WORDS
from moe_cosim.workloads.programs.program import ACCESS, EVENT, TAG, Program

Ints = NDArray[np.int64]

_SLOTS: Final = 1 << 14
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
    block_bytes: int = 0
    """Of the contiguous pieces it consists of; 0: one."""


class Place(NamedTuple):
    """When in a lane's order: step, layer (-1 before the layers), slot in the layer, order in it."""

    step: ArrayLike
    layer: ArrayLike
    slot: ArrayLike
    order: ArrayLike = 0


class Purpose(NamedTuple):
    """What a column of events is for (`moe_cosim.workloads.programs.program.TAG`)."""

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
        """[count] token ids nobody has."""
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
        step, slot = place.step, place.slot
        size = step.size if type(step) is np.ndarray else np.size(step)
        if size == 0:
            return
        self._first_slots.append(slot if type(slot) is int else int(np.ravel(slot)[0]))
        column = [size, kind, purpose.purpose, len(self._ranges) // RANGE, len(ranges), 0]
        values = (lane, step, place.layer, slot, place.order, setup_ps, busy_ps, token, count)
        self._code(column, VARIES, (*values, self._phase(step), *purpose[1:]), size)
        self._columns.extend(column)
        for part in ranges:
            coded = [part.op, part.what, part.offset, part.block_bytes, 0]
            self._code(coded, RANGE_VARIES, (part.address, part.bytes), size)
            self._ranges.extend(coded)
        self._event_count += size
        self._access_count += size * len(ranges)

    def _code(self, record: list[int], varies: int, values: tuple[ArrayLike, ...], size: int) -> None:
        """Appends the values to a record, or where they start, as bits of its integer `varies` say
        (`moe_cosim.workloads.lowering.sheet.columns`)."""
        bit = 1
        for value in values:
            if type(value) is int:
                record.append(value)
            else:
                found = value if type(value) is np.ndarray else np.asarray(value)
                if found.size == 1:
                    record.append(int(found.item()))
                elif found.shape == (size,):
                    record[varies] |= bit
                    start = self._starts.get(id(found))
                    record.append(self._keep(found) if start is None else start)
                else:
                    raise ValueError(f"an array of shape {found.shape} in a column of {size} events")
            bit <<= 1

    def _phase(self, step: ArrayLike) -> ArrayLike:
        """Index into `moe_cosim.workloads.programs.program.PHASES`."""
        if self._steps.start > 0:
            return 1
        found = np.asarray(step)
        if found.size == 1:
            return int(found.item() > 0)
        phase = self._phases.get(id(found))
        if phase is None:
            phase = self._phases[id(found)] = found > 0
        return phase

    def _keep(self, values: NDArray[Any]) -> int:
        """Where in the pool they start from now on."""
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
        starts, position = self._positions(pool, columns, len(lanes))
        words = np.empty(len(position) * WORDS, np.int64)
        accesses = np.empty((self._access_count, ACCESS.itemsize // 8), np.int64)
        fill(pool, columns, ranges, FIELDS, starts, position, words, accesses)
        events, tags = np.split(words, [len(position) * EVENT_WORDS])
        return Program(lanes, events.view(EVENT), accesses.reshape(-1).view(ACCESS), tags.view(TAG), machine, meta)

    def _positions(self, pool: Ints, columns: Ints, lanes: int) -> tuple[Ints, Ints]:
        """Where the rows of each column start among all [columns], and the place of each in the program [events]."""
        from moe_cosim.workloads.lowering.sheet.lane_order import put_in_order

        layers = self._layers + 2
        places = (
            (0, lanes, len(self._steps) * layers, 0),
            (self._steps.start, self._steps.stop, layers, 0),
            (-1, layers - 1, 1, 0),
            (0, _SLOTS, 0, _ORDERS),
            (0, _ORDERS, 0, 1),
        )
        position, row, key, bucket, sort_key = np.empty((5, self._event_count), np.int64)
        ends = np.zeros(lanes * len(self._steps) * layers + 1, np.int64)
        starts = np.empty(len(columns), np.int64)
        visit = np.argsort(self._first_slots, kind="stable")
        if not put_in_order(pool, columns, visit, np.array(places), row, key, bucket, sort_key, ends, starts):
            raise ValueError("an event on a lane, or at a step, layer, slot or order, that the sheet has no room for")
        position[row] = np.arange(len(row))
        return starts, position
