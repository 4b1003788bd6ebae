"""The time of attention alone: scores and attended values, without projections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moe_cosim.hw_models.shapes import AttentionShape
from moe_cosim.hw_models.units.gpu.tiles import Floats, Rates, overlapped, tile_rows

_WIDE_BYTES = 2.0


@dataclass(frozen=True)
class AttentionConstants:
    """How a library's attention kernel uses a GPU. Shares are of the data sheet's peaks."""

    start_us: float
    memory_share: float
    """Of the peak bandwidth, at which keys and values are read."""
    compute_share: float
    """Of the 16-bit peak rate."""
    block_us: float
    """Of every block of queries: its start, softmax and end, on its multiprocessor."""
    tile_rows: int
    """Most query rows of a block; the heads that share a key are rows of one block."""
    draw: float
    """Times its even share of the bandwidth that a multiprocessor can draw while others are idle."""
    part_keys: float
    """Keys of which a block is worth cutting into parts for other multiprocessors (split keys, flash decoding)."""
    fill_keys: float
    """Keys' worth of time that a block takes beyond its own."""
    sharpness: float
    """As that of `TileConstants`."""


def attention_s(
    sequences: Floats, queries: Floats, keys: Floats, shape: AttentionShape, c: AttentionConstants, gpu: Rates
) -> Floats:
    """Seconds in which `queries` tokens of each of `sequences` attend to `keys` keys each (the mean over them). Arrays
    broadcast.
    """
    rows = queries * (shape.heads / shape.kv_heads)
    size = tile_rows(rows, c.tile_rows)
    blocks = sequences * shape.kv_heads * np.ceil(rows / size)
    parts = blocks * np.maximum(keys / c.part_keys, 1.0)
    busy = np.clip(parts / gpu.multiprocessors, 1e-9, 1.0)
    width = shape.key_dim + shape.value_dim
    numbers = sequences * (keys * shape.values_per_key + queries * (shape.heads * width))
    drawn = np.minimum(busy * c.draw, 1.0)
    memory = numbers * _WIDE_BYTES / (gpu.bytes_per_s * c.memory_share * drawn)
    compute = blocks * size * (keys + c.fill_keys) * (2.0 * width) / (gpu.op_per_s * c.compute_share * busy)
    time = overlapped(memory, compute, c.sharpness) + blocks * (c.block_us * 1e-6 / gpu.multiprocessors)
    return np.where(sequences * queries * keys > 0, c.start_us * 1e-6 + time, 0.0)
