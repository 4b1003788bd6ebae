"""The time of the experts of a layer that run as one fused kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.gpu.tiles import Floats, Rates, TileConstants, product_s, tile_rows

_WIDE_BYTES = 2.0


def fused_s(
    tokens: Floats,
    first: NDArray[np.int64],
    shape: ExpertShape,
    bytes_per_weight: float,
    operand_bytes: float,
    c: TileConstants,
    gpu: Rates,
) -> Floats:
    """[n] seconds of each expert's share of its kernel, without the start; shares of a kernel add up to its time.

    `tokens` [n] of each expert; kernels begin at the rows `first`. An expert with tokens reads its weights once,
    scales included. A kernel picks its tile for its mean tokens per expert.
    """
    active = (tokens > 0).astype(np.float64)
    experts, rows = np.add.reduceat(active, first), np.add.reduceat(tokens, first)
    size = tile_rows(rows / np.maximum(experts, 1.0), c.tile_rows)
    kernel = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(tokens))))
    own = np.ceil(tokens / size[kernel])
    tiles = np.add.reduceat(own, first)
    time = layer_s(tiles, size, experts, shape, bytes_per_weight, c, gpu)
    row_s = row_bytes(shape, operand_bytes) / (gpu.bytes_per_s * c.activation_share)
    # The products are shared by tiles, each of which reads its weights.
    return own * (time / np.maximum(tiles, 1.0))[kernel] + tokens * row_s


def layer_s(
    tiles: Floats,
    size: Floats,
    experts: Floats,
    shape: ExpertShape,
    bytes_per_weight: float,
    c: TileConstants,
    gpu: Rates,
) -> Floats:
    """Seconds of the two products of kernels of `tiles` row tiles of `size` rows for `experts` experts. `tiles`, `size`
    and `experts` are [kernels].
    """
    time = np.zeros(np.shape(tiles))
    into = (shape.hidden, (shape.matrices - 1) * shape.intermediate)
    for inner, columns in (into, (shape.intermediate, shape.hidden)):
        moved = experts * inner * columns * bytes_per_weight
        time = time + product_s(tiles, size, experts, inner, columns, moved, c, gpu)
    return time


def row_bytes(shape: ExpertShape, operand_bytes: float) -> float:
    """What passes through memory for one token of one expert, beside the weights.

    Rows are gathered and, for narrow operands, quantized; written into and read from the activation and the second
    product; and summed over the experts of a token.
    """
    wide = 2 * shape.hidden + 2 * shape.matrices * shape.intermediate
    return _WIDE_BYTES * wide + 2 * operand_bytes * shape.hidden
