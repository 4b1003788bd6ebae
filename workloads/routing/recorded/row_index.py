"""Which tokens a recording of rows has, found in one pass: 8 bytes a token, and a bit for each of its layers.

Rows may come in any order. They are counted by token, block by block, and blocks are merged as they pile up, so memory
grows with the tokens of the recording and not with its rows; least where the tokens come in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.rows import Rows, RowSource, check_rows

_MOST_LAYERS: Final = 1024
_PILE: Final = 2**18
"""Tokens of blocks that wait to be merged."""


_Tokens = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""Keys, increasing, and bits [tokens, words] of the layers seen."""


@dataclass(frozen=True)
class RowIndex:
    """What one pass over a recording's rows finds."""

    keys: NDArray[np.int64]
    """[tokens] of each sequence and token, increasing (`key_of`)."""
    layers: NDArray[np.int64]
    """[layers] their numbers in the file, increasing: those without experts leave gaps."""
    top_k: int
    has_weights: bool
    num_experts: int
    """One more than the largest id."""

    def offsets(self) -> NDArray[np.int64]:
        """[documents + 1]: where the tokens of each sequence start."""
        sequence = self.keys >> 32
        starts = np.flatnonzero(np.diff(sequence)) + 1
        return np.concatenate([[0], starts, [len(sequence)]]).astype(np.int64)


def key_of(rows: Rows) -> NDArray[np.int64]:
    """[rows]: sequence and token as one number."""
    return (rows.sequence << 32) | rows.token


def _layers_in(bits: NDArray[np.uint64]) -> NDArray[np.int32]:
    counts: NDArray[np.int32] = np.bitwise_count(bits).sum(axis=1, dtype=np.int32)
    return counts


def index_of(source: RowSource) -> RowIndex:
    """Raises `InputError` for rows that are missing or there twice, and for whatever reading refuses."""
    seen = _Seen(source)
    top_k, has_weights, largest = 0, False, 0
    for rows in source.blocks():
        if not len(rows):
            continue
        check_rows(rows, source.where, source.unit)
        seen.add(rows)
        top_k, has_weights = rows.experts.shape[1], rows.weights is not None
        largest = max(largest, int(rows.experts.max()))
    keys = seen.whole()
    return RowIndex(keys, np.array(sorted(seen.layers), np.int64), top_k, has_weights, largest + 1)


class _Seen:
    """Tokens so far, with the layers that each was seen in: segments in order, and a pile of what came since."""

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.layers: dict[int, int] = {}
        """Number in the file: place of its bit."""
        self._segments: list[_Tokens] = []
        """Each begins after the one before ends."""
        self._pile: list[_Tokens] = []
        self._waiting, self._most = 0, _PILE

    def add(self, rows: Rows) -> None:
        for layer in np.unique(rows.layer).tolist():
            self.layers.setdefault(layer, len(self.layers))
        if len(self.layers) > _MOST_LAYERS:
            found = Plain(f"{len(self.layers)} layers")
            raise InputError(self._source.where, "layer", found, f"at most {_MOST_LAYERS}")
        numbers = np.array(sorted(self.layers), np.int64)
        places = np.array([self.layers[number] for number in numbers.tolist()], np.int64)
        place = places[np.searchsorted(numbers, rows.layer)]
        bits = np.zeros((len(rows), self._words), np.uint64)
        bits[np.arange(len(rows)), place // 64] = np.uint64(1) << (place % 64).astype(np.uint64)
        self._pile.append(self._merged(key_of(rows), bits))
        self._waiting += len(self._pile[-1][0])
        if self._waiting > self._most:
            self._settle()

    def whole(self) -> NDArray[np.int64]:
        self._settle()
        keys, bits = self._joined([*self._segments, *self._pile])
        if self._pile:
            keys, bits = self._merged(keys, bits)
        self._segments, self._pile = [], []
        if not len(keys):
            raise InputError(self._source.where, "file", Plain(f"no {self._source.unit}s"), "at least one token")
        lacking = np.flatnonzero(_layers_in(bits) != len(self.layers))
        if len(lacking):
            self._refuse_lack(int(keys[lacking[0]]), bits[lacking[0]])
        return keys

    @property
    def _words(self) -> int:
        return 1 + max(len(self.layers) - 1, 0) // 64

    def _settle(self) -> None:
        """Make the pile the next segment or, where it came in another order, merge all once it is as large."""
        if not self._pile:
            return
        keys, bits = self._merged(*self._joined(self._pile))
        self._pile, self._waiting, self._most = [], 0, _PILE
        if not self._segments or keys[0] > self._segments[-1][0][-1]:
            self._segments.append((keys, bits))
            return
        before, seen = self._segments[-1]
        if keys[0] == before[-1]:  # its layers are on both sides of the edge
            self._segments[-1] = before[:-1], seen[:-1]
            head = [(before[-1:], seen[-1:]), (keys[:1], bits[:1])]
            self._segments += [self._merged(*self._joined(head)), (keys[1:], bits[1:])]
            self._segments = [each for each in self._segments if len(each[0])]
        elif len(keys) > sum(len(each) for each, _ in self._segments):
            self._segments = [self._merged(*self._joined([*self._segments, (keys, bits)]))]
        else:
            self._pile, self._waiting, self._most = [(keys, bits)], len(keys), 2 * len(keys) + _PILE

    def _joined(self, parts: list[_Tokens]) -> _Tokens:
        if not parts:
            return np.empty(0, np.int64), np.empty((0, 1), np.uint64)
        wide = [np.pad(bits, ((0, 0), (0, self._words - bits.shape[1]))) for _, bits in parts]
        return np.concatenate([keys for keys, _ in parts]), np.concatenate(wide)

    def _merged(self, keys: NDArray[np.int64], bits: NDArray[np.uint64]) -> _Tokens:
        """Each token once, with all its layers; `InputError` where a layer of one comes twice."""
        if not len(keys):
            return keys, bits
        order = np.argsort(keys, kind="stable")
        keys, bits = keys[order], bits[order]
        starts = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
        together = np.bitwise_or.reduceat(bits, starts, axis=0)
        twice = np.flatnonzero(np.add.reduceat(_layers_in(bits), starts) != _layers_in(together))
        if len(twice):
            self._refuse_twice(int(keys[starts[twice[0]]]))
        return keys[starts], together

    def _refuse_lack(self, token: int, bits: NDArray[np.uint64]) -> None:
        layer = min(n for n, at in self.layers.items() if not int(bits[at // 64]) >> (at % 64) & 1)
        at = f"sequence {token >> 32} token {token & (2**32 - 1)} layer {layer}"
        allowed = f"a {self._source.unit} for every layer of every token"
        raise InputError(self._source.where, at, Plain("nothing"), allowed)

    def _refuse_twice(self, key: int) -> None:
        """Look for the row in the file: nothing of rows is kept."""
        found: set[int] = set()
        for rows in self._source.blocks():
            for at in np.flatnonzero(key_of(rows) == key).tolist():
                layer = int(rows.layer[at])
                if layer in found:
                    said = Plain(f"token {key & (2**32 - 1)} layer {layer} twice")
                    raise InputError(
                        self._source.where, f"{self._source.unit} {rows.line[at]}", said, "each once per sequence"
                    )
                found.add(layer)
