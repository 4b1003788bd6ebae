"""The attention core of a decode step: one query of each sequence on its whole context, bfloat16."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import torch
from pool import Pool
from table import Table
from timing import graphed_us, sets_beyond_l2
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

COLUMNS: Final = (
    "section", "case", "kernel", "batch", "context", "heads", "kv_heads", "head_dim", "kv_bytes", "GB_per_s",
    "time_us", "fastest_us", "repetitions",
)  # fmt: skip
SHAPES: Final = {"heads 32, kv 8": (32, 8, 128), "heads 32, kv 4": (32, 4, 128)}
BATCHES: Final = (1, 8, 32, 128, 256)
CONTEXTS: Final = [512 << power for power in range(7)]
KERNELS: Final = {"torch flash": SDPBackend.FLASH_ATTENTION, "torch cudnn": SDPBackend.CUDNN_ATTENTION}
POOL_BYTES: Final = 36_000_000_000


def run(table: Table) -> None:
    """Flash attention first; cuDNN's as far as the time goes."""
    pool = Pool(torch.bfloat16, POOL_BYTES)
    for kernel, backend in KERNELS.items():
        for case, (heads, kv_heads, dim) in SHAPES.items():
            for batch in BATCHES:
                for context in CONTEXTS:
                    named = {"section": "attention", "case": case, "kernel": kernel, "batch": batch}
                    sizes = {"context": context, "heads": heads, "kv_heads": kv_heads, "head_dim": dim}
                    kv_bytes = 2 * batch * context * kv_heads * dim * 2
                    measured = partial(_timed, pool, backend, kv_bytes, **sizes, batch=batch)
                    table.measure({**named, **sizes, "kv_bytes": kv_bytes}, measured)


def _timed(
    pool: Pool, backend: SDPBackend, kv_bytes: int, *, batch: int, context: int, heads: int, kv_heads: int,
    head_dim: int,
) -> dict[str, Any]:  # fmt: skip
    sets = sets_beyond_l2(kv_bytes)

    def heads_of(positions: int, count: int) -> torch.Tensor:
        """[batch, heads, positions, dim], stored position by position as key-value caches are."""
        return pool.take(batch, positions, count, head_dim).transpose(1, 2)

    operands = [(heads_of(1, heads), heads_of(context, kv_heads), heads_of(context, kv_heads)) for _ in range(sets)]

    def step(index: int) -> object:
        with sdpa_kernel(backend):
            return scaled_dot_product_attention(*operands[index], enable_gqa=True)

    timing = graphed_us(step, sets)
    return {"GB_per_s": timing.gb_per_s(kv_bytes), **timing.columns()}
