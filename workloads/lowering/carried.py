"""What the lowering of one block of steps leaves to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.lowering.sheet import Ints


class Carried:
    """The tokens given out so far, and of every move so far who may still ask for it. Arrays are [n], a row for each
    move or each run that is asked about.
    """

    def __init__(self, units: int) -> None:
        self.tokens = 0
        self.kv_buffers: Ints = np.full(2, -1)
        """The tokens of who had the two buffers for keys and values last: before last, last."""
        self._moves = 0
        self._arrival: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._used_by: NDArray[np.uint64] = np.zeros((0, -(-units // 64)), np.uint64)
        # a hash table (`moe_cosim.workloads.lowering.walks.replace_last`)
        self._targets = 0
        self._table = _table(1)

    def add_moves(self, arrival: Ints, target: Ints, lanes: Ints) -> Ints:
        """Moves that say they have arrived by a signal of `arrival`.

        Returns, per move, the move that filled its target before it, if on another lane (else lane order
        suffices); -1.
        """
        from moe_cosim.workloads.lowering.walks import replace_last  # Numba takes a while to import

        first, self._moves = self._moves, self._moves + len(arrival)
        if self._moves > len(self._arrival):
            room = max(2 * len(self._arrival), self._moves)
            self._arrival, self._used_by = _grown(self._arrival, room), _grown(self._used_by, room)
        self._arrival[first : self._moves] = arrival
        rows = 2 * (self._targets + len(target))
        if rows > self._table.shape[1]:
            known = np.ascontiguousarray(self._table[:, self._table[0] >= 0])
            self._table = _table(rows)
            replace_last(known[0], known[1], known[2], self._table, np.empty(known.shape[1], np.int64))
        earlier = np.empty(len(target), np.int64)
        self._targets += replace_last(
            np.ascontiguousarray(target), np.arange(first, self._moves), lanes, self._table, earlier
        )
        return earlier

    def arrival(self, move: Ints) -> Ints:
        """The tokens of moves, by their rows in the whole plan."""
        return self._arrival[move].astype(np.int64)

    def first_uses(self, move: Ints, unit: Ints) -> NDArray[np.bool_]:
        """Whether the unit has not used before what the move (-1: none) brought; from now on it has."""
        from moe_cosim.workloads.lowering.walks import first_uses

        first = np.empty(len(move), np.bool_)
        first_uses(move, unit, self._used_by, first)
        return first


def _table(rows: int) -> Ints:
    """[target, move, lane] of at least so many rows, a power of two; all free."""
    return np.full((3, 1 << max(rows - 1, 1).bit_length()), -1, np.int64)


def _grown(rows: NDArray[np.unsignedinteger], size: int) -> NDArray[np.unsignedinteger]:
    grown = np.zeros((size, *rows.shape[1:]), rows.dtype)
    grown[: len(rows)] = rows
    return grown
