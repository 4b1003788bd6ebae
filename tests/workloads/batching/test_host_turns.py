"""Where keys and values of micro-batches lie outside the GPU's memory, and whose turn it is at the two buffers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from moe_cosim.workloads.batching.batching import Sequences
from moe_cosim.workloads.batching.places import KvHome
from moe_cosim.workloads.lowering.attention.host_share import HostShare
from moe_cosim.workloads.lowering.attention.host_traffic import Turns

LAYERS = 3
ROOM = 32
"""Bytes of a sequence in a layer."""
HOME = KvHome(np.array([96, 1096, 2096]), ROOM, np.array([5000, 6000]), np.array([7000, 8000]))


def _micro_batch(number: int) -> Any:
    return SimpleNamespace(number=number)


@pytest.mark.parametrize("micro_batches", [1, 2, 3])
def test_micro_batches_take_turns_at_two_buffers(micro_batches: int) -> None:
    """One after the other through the layers of every step, in whatever blocks the steps are lowered."""
    buffers: list[int] = []
    queries: list[int] = []
    for first, steps in ((0, np.arange(1)), (1, np.arange(2))):
        layer = np.tile(np.arange(LAYERS), len(steps))
        turns = Turns(steps.repeat(LAYERS), layer, LAYERS, micro_batches, first, HOME)
        for found, of in ((buffers, turns.buffer), (queries, turns.queries)):
            found += np.stack([of(_micro_batch(number)) for number in range(micro_batches)], axis=1).ravel().tolist()
    count = 3 * LAYERS * micro_batches
    assert buffers == [5000 + 1000 * (turn % 2) for turn in range(count)]
    assert queries == [7000 + 1000 * (turn % 2) for turn in range(count)]


def test_sequences_of_micro_batches_lie_one_behind_the_other() -> None:
    """In each layer those that the CPU attends to, behind them those that pass through the GPU."""
    parts = Sequences(resident=1, on_cpu=2, streamed=1)
    layout: Any = SimpleNamespace(kv=np.array([10_000, 20_000, 30_000]))
    layer = np.arange(LAYERS)
    shares = [HostShare(parts, number, number * parts.at_host, layout, HOME) for number in range(3)]
    end = HOME.address
    kept_end = layout.kv
    for share in shares:
        assert share.cpu_kv(layer).tolist() == end.tolist()
        assert share.streamed_kv(layer).tolist() == (end + 2 * ROOM).tolist()
        assert share.resident_kv(layer).tolist() == kept_end.tolist()
        end, kept_end = end + 3 * ROOM, kept_end + ROOM
