"""Which tokens a recording of rows has, found in one pass: 8 bytes a token, and a bit for each of its layers.

Rows may come in any order. They are counted by token, block by block, and blocks are merged as they pile up, so memory
grows with the tokens of the recording and not with its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.rows import Rows, RowSource, check_rows

_MOST_LAYERS: Final = 1024
_PILE: Final = 2**20
"""Tokens of blocks that may wait to be merged, beyond as many as there are."""


@dataclass(frozen=True)
class RowIndex:
    keys: NDArray[np.int64]
    """[tokens] of each sequence and token, increasing (`key_of`)."""
    layers: NDArray[np.int64]
    """The numbers of the layers in the file, increasing: those without experts leave gaps."""
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
    """Tokens so far, with the layers that each was seen in."""

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.layers: dict[int, int] = {}
        """Number in the file: place of its bit."""
        self._keys = np.empty(0, np.int64)
        self._bits = np.empty((0, 1), np.uint64)
        self._pile: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []
        self._waiting = 0

    def add(self, rows: Rows) -> None:
        for layer in np.unique(rows.layer).tolist():
            self.layers.setdefault(layer, len(self.layers))
        if len(self.layers) > _MOST_LAYERS:
            raise InputError(
                self._source.where, "layer", Plain(f"{len(self.layers)} layers"), f"at most {_MOST_LAYERS}"
            )
        numbers = np.array(sorted(self.layers), np.int64)
        places = np.array([self.layers[number] for number in numbers.tolist()], np.int64)
        place = places[np.searchsorted(numbers, rows.layer)]
        bits = np.zeros((len(rows), 1 + (len(self.layers) - 1) // 64), np.uint64)
        bits[np.arange(len(rows)), place // 64] = np.uint64(1) << (place % 64).astype(np.uint64)
        keys, bits = self._merged(key_of(rows), bits)
        self._pile.append((keys, bits))
        self._waiting += len(keys)
        if self._waiting > len(self._keys) + _PILE:
            self._merge()

    def whole(self) -> NDArray[np.int64]:
        self._merge()
        if not len(self._keys):
            raise InputError(self._source.where, "file", Plain(f"no {self._source.unit}s"), "at least one token")
        lacking = np.flatnonzero(np.bitwise_count(self._bits).sum(axis=1) != len(self.layers))
        if len(lacking):
            token, bits = int(self._keys[lacking[0]]), self._bits[lacking[0]]
            layer = min(n for n, at in self.layers.items() if not int(bits[at // 64]) >> (at % 64) & 1)
            at = f"sequence {token >> 32} token {token & (2**32 - 1)} layer {layer}"
            raise InputError(
                self._source.where, at, Plain("nothing"), f"a {self._source.unit} for every layer of every token"
            )
        return self._keys

    def _merge(self) -> None:
        width = 1 + max(len(self.layers) - 1, 0) // 64
        pile = [(self._keys, self._bits), *self._pile]
        keys = np.concatenate([keys for keys, _ in pile])
        wide = np.concatenate([np.pad(bits, ((0, 0), (0, width - bits.shape[1]))) for _, bits in pile])
        self._pile, self._waiting = [], 0
        self._keys, self._bits = self._merged(keys, wide)

    def _merged(
        self, keys: NDArray[np.int64], bits: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Each token once, with all its layers; `InputError` where a layer of one comes twice."""
        if not len(keys):
            return keys, bits
        order = np.argsort(keys, kind="stable")
        keys, bits = keys[order], bits[order]
        starts = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
        together = np.bitwise_or.reduceat(bits, starts, axis=0)
        said = np.add.reduceat(np.bitwise_count(bits).sum(axis=1, dtype=np.int64), starts)
        twice = np.flatnonzero(said != np.bitwise_count(together).sum(axis=1))
        if len(twice):
            self._refuse_twice(int(keys[starts[twice[0]]]))
        return keys[starts], together

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
