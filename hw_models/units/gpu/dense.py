"""The time of one dense matrix product."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.units.gpu.tiles import Floats, Rates, TileConstants, product_s, tile_rows

_WIDE_BYTES = 2.0


def dense_s(
    rows: Floats,
    inner: Floats,
    columns: Floats,
    bytes_per_weight: float,
    operand_bytes: float,
    c: TileConstants,
    gpu: Rates,
) -> Floats:
    """Seconds of [rows, inner] x [inner, columns], the start included; nothing where a size is 0.

    16-bit rows are read, for narrow operands quantized, written and read again, and 16-bit rows are written.
    """
    size = tile_rows(rows, c.tile_rows)
    quantized = 2.0 * operand_bytes if operand_bytes < _WIDE_BYTES else 0.0
    beside = rows * ((_WIDE_BYTES + quantized) * inner + _WIDE_BYTES * columns)
    moved = inner * columns * bytes_per_weight + beside * (c.memory_share / c.activation_share)
    time = product_s(np.ceil(rows / size), size, 1.0, inner, columns, moved, c, gpu)
    return np.where(rows * inner * columns > 0, c.start_us * 1e-6 + time, 0.0)
