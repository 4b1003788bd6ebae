"""Tables of measured kernels as `aiconfigurator-core` has them, made up by tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TABLES = {"framework": "vllm", "version": "1.0", "device": "made_up"}


def write_table(root: Path, op: str, name: str, rows: list[dict[str, Any]]) -> None:
    folder = root / TABLES["device"] / op / TABLES["framework"] / TABLES["version"]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")


def experts_row(tokens: int, ms: float, **changes: Any) -> dict[str, Any]:
    """Experts like Qwen3-30B-A3B's."""
    row = {
        "moe_dtype": "bfloat16",
        "distribution": "balanced",
        "num_tokens": tokens,
        "hidden_size": 2048,
        "inter_size": 768,
        "topk": 8,
        "num_experts": 128,
        "moe_tp_size": 1,
        "moe_ep_size": 1,
        "latency": ms,
    }
    return {**row, **changes}


def product_row(rows: int, inner: int, columns: int, ms: float) -> dict[str, Any]:
    return {"gemm_dtype": "bfloat16", "m": rows, "k": inner, "n": columns, "latency": ms}


def decode_row(sequences: int, keys: int, ms: float) -> dict[str, Any]:
    """32 heads that share 4 keys."""
    return {
        "attn_dtype": "bfloat16",
        "kv_cache_dtype": "bfloat16",
        "batch_size": sequences,
        "isl": 1,
        "step": keys - 1,
        "num_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "window_size": 0,
        "latency": ms,
    }
