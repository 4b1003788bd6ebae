"""Collects event columns in any order and sorts them into a program."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.workloads.program import ACCESS, EVENT, TAG, Program

Ints = NDArray[np.int64]

_SUBSLOTS: Final = 1 << 22
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

    def __init__(self, layers: int, next_token: int = 0) -> None:
        self._layers = layers
        self.next_token = next_token
        self._keys: list[Ints] = []
        self._events: list[NDArray[np.void]] = []
        self._accesses: list[NDArray[np.void]] = []
        self._tags: list[NDArray[np.void]] = []
        self._access_count = 0

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
        """One column: arguments broadcast to its length (the length of `place.step`)."""
        step = np.atleast_1d(np.asarray(place.step, dtype=np.int64))
        size = len(step)
        if size == 0:
            return
        events = np.zeros(size, EVENT)
        events["kind"], events["lane"] = kind, lane
        events["setup_ps"], events["busy_ps"] = setup_ps, busy_ps
        events["token"], events["count"] = token, count
        events["accesses"] = len(ranges)
        events["first_access"] = self._access_count + np.arange(size) * len(ranges)
        if ranges:
            self._add_accesses(size, ranges)
        tags = np.zeros(size, TAG)
        tags["step"], tags["layer"], tags["phase"] = step, place.layer, step > 0
        tags["purpose"], tags["expert"] = purpose.purpose, purpose.expert
        tags["weight_bits"], tags["tokens"] = purpose.weight_bits, purpose.tokens
        self._keys.append(self._key(step, place))
        self._events.append(events)
        self._tags.append(tags)

    def _add_accesses(self, size: int, ranges: tuple[Range, ...]) -> None:
        accesses = np.zeros((size, len(ranges)), ACCESS)
        for column, part in enumerate(ranges):
            accesses["address"][:, column], accesses["bytes"][:, column] = part.address, part.bytes
            accesses["op"][:, column], accesses["what"][:, column] = part.op, part.what
        self._accesses.append(accesses.reshape(-1))
        self._access_count += accesses.size

    def _key(self, step: Ints, place: Place) -> Ints:
        """Increasing in the order of a lane."""
        layer = np.asarray(place.layer, dtype=np.int64) + 1
        order = np.asarray(place.order, dtype=np.int64)
        if order.max(initial=0) >= _SUBSLOTS or not 0 <= place.slot < _SLOTS:
            raise ValueError("an order or slot beyond what a sort key holds")
        steps = (step * (self._layers + 2) + layer) * _SLOTS + place.slot
        return np.broadcast_to(steps * _SUBSLOTS + order, step.shape)

    def program(self, lanes: tuple[tuple[str, str], ...], machine: str, meta: dict[str, object]) -> Program:
        events = np.concatenate(self._events)
        order = np.lexsort((np.concatenate(self._keys), events["lane"]))
        events = events[order]
        events["tag"] = np.arange(len(events))
        accesses = np.concatenate(self._accesses) if self._accesses else np.zeros(0, ACCESS)
        return Program(lanes, events, accesses, np.concatenate(self._tags)[order], machine, meta)
