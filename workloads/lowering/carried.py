"""What the lowering of one block of steps leaves to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.lowering.sheet import Ints


class Carried:
    """The tokens given out so far, and of every move so far who may still ask for it."""

    def __init__(self) -> None:
        self.tokens = 0
        self._moves = 0
        self._arrival: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._used_by: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._last_into: dict[int, tuple[int, int]] = {}
        """Target address: the move that filled it last, and its lane."""

    def add_moves(self, arrival: Ints, target: Ints, lanes: Ints) -> Ints:
        """Moves that say they have arrived by a signal of `arrival`.

        Returns, per move, the move that filled its target before it, if on another lane (else lane order
        suffices); -1.
        """
        first, self._moves = self._moves, self._moves + len(arrival)
        if self._moves > len(self._arrival):
            room = max(2 * len(self._arrival), self._moves)
            self._arrival, self._used_by = _grown(self._arrival, room), _grown(self._used_by, room)
        self._arrival[first : self._moves] = arrival
        earlier = np.full(len(target), -1, dtype=np.int64)
        for row, (address, lane) in enumerate(zip(target.tolist(), lanes.tolist(), strict=True)):
            before, other = self._last_into.get(address, (-1, lane))
            if other != lane:
                earlier[row] = before
            self._last_into[address] = first + row, lane
        return earlier

    def arrival(self, move: Ints) -> Ints:
        """The tokens of moves, by their rows in the whole plan."""
        return self._arrival[move].astype(np.int64)

    def use(self, move: Ints, unit: Ints) -> NDArray[np.bool_]:
        """Whether the unit has not used what the move brought before; from now on it has. Every pair once."""
        bit = np.uint64(1) << unit.astype(np.uint64)
        fresh = (self._used_by[move] & bit) == 0
        np.bitwise_or.at(self._used_by, move, bit)
        return np.asarray(fresh)


def _grown(rows: NDArray[np.unsignedinteger], size: int) -> NDArray[np.unsignedinteger]:
    grown = np.zeros(size, rows.dtype)
    grown[: len(rows)] = rows
    return grown
