"""Times of rows of the tables by the tile model's own functions, in us; and rows that a fit may use."""

from __future__ import annotations

import numpy as np
from tables import Rows

from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.gpu.attention import AttentionConstants, attention_s
from moe_cosim.hw_models.units.gpu.dense import dense_s
from moe_cosim.hw_models.units.gpu.experts import layer_s, row_bytes
from moe_cosim.hw_models.units.gpu.figures import OPERAND_BYTES, GpuFigures
from moe_cosim.hw_models.units.gpu.tiles import Floats, TileConstants, tile_rows

_CACHED = 1.5
"""Weights of less than so many caches may partly stay there."""


def experts_us(rows: Rows, c: TileConstants, gpu: GpuFigures, operand: str, bytes_per_weight: float) -> Floats:
    """Balanced: pairs of token and expert dealt as evenly as they go."""
    pairs = (rows["tokens"] * rows["top_k"]).astype(np.float64)
    least, more = np.divmod(pairs, rows["experts"])
    active = np.where(least > 0, rows["experts"], more)
    size = tile_rows(pairs / active, c.tile_rows)
    tiles = more * np.ceil((least + 1) / size) + np.where(least > 0, active - more, 0.0) * np.ceil(least / size)
    shape = ExpertShape(rows["hidden"], rows["intermediate"], rows["matrices"])
    rates = gpu.rates(operand)
    seconds = layer_s(tiles, size, active, shape, bytes_per_weight, c, rates)
    between = pairs * row_bytes(shape, OPERAND_BYTES[operand]) / (gpu.bytes_per_s * c.activation_share)
    return c.start_us + 1e6 * (seconds + between)


def weight_bytes(rows: Rows, bytes_per_weight: float) -> Floats:
    """Of the experts that balanced routing reaches."""
    active = np.minimum(rows["experts"], rows["tokens"] * rows["top_k"])
    return active * rows["matrices"] * rows["hidden"] * rows["intermediate"] * bytes_per_weight


def cold_experts(rows: Rows, cache_bytes: float, bytes_per_weight: float) -> Rows:
    return rows.where(weight_bytes(rows, bytes_per_weight) > _CACHED * cache_bytes)


def products_us(rows: Rows, c: TileConstants, gpu: GpuFigures, operand: str, bytes_per_weight: float) -> Floats:
    sizes = (rows[name].astype(np.float64) for name in ("rows", "inner", "columns"))
    return 1e6 * dense_s(*sizes, bytes_per_weight, OPERAND_BYTES[operand], c, gpu.rates(operand))


def cold_products(rows: Rows, cache_bytes: float, bytes_per_weight: float) -> Rows:
    return rows.where(rows["inner"] * rows["columns"] * bytes_per_weight > _CACHED * cache_bytes)


def attention_us(rows: Rows, c: AttentionConstants, gpu: GpuFigures, latent: bool) -> Floats:
    shape = AttentionShape(*(rows[name] for name in ("heads", "kv_heads", "key_dim", "value_dim")), latent)
    sizes = (rows[name].astype(np.float64) for name in ("sequences", "queries", "keys"))
    return 1e6 * attention_s(*sizes, shape, c, gpu.rates("bf16"))


def cold_attention(rows: Rows, cache_bytes: float, gpu: GpuFigures, latent: bool) -> Rows:
    """Those whose keys and values do not fit into the cache, or hardly matter."""
    numbers = 576 if latent else rows["kv_heads"] * (rows["key_dim"] + rows["value_dim"])
    read = rows["sequences"] * rows["keys"] * numbers * 2
    matters = read / gpu.bytes_per_s * 1e6 > 0.25 * rows.us
    return rows.where((read > _CACHED * cache_bytes) | ~matters)
