"""Measured kernels of `aiconfigurator-core` (Apache-2.0), as arrays in the models' terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from moe_cosim.hw_models.units.gpu.tables import UNGATED, tables_root
from moe_cosim.hw_models.units.gpu.tiles import Floats

OTHER_ROUTING = {(7168, 8, 256)}
"""(hidden, top k, experts) of rows whose kernels route by themselves, in groups (DeepSeek-V3): their times are too
short for the weights of as many experts as balanced routing reaches."""
LEAST_INTERMEDIATE = 128
"""Narrower shards (of tensor parallelism over 8 and more GPUs) are what nobody runs on one GPU."""


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, one row a measured kernel."""

    columns: dict[str, NDArray[Any]]
    us: Floats

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.us)

    def where(self, kept: NDArray[np.bool_]) -> Rows:
        return Rows({name: column[kept] for name, column in self.columns.items()}, self.us[kept])


def _read(device: str, op: str, framework: str, version: str, name: str) -> dict[str, NDArray[Any]]:
    table = pq.read_table(tables_root() / device / op / framework / version / f"{name}.parquet")
    return {column: table[column].to_numpy() for column in table.column_names}


def experts(device: str, framework: str, version: str, distribution: str, dtype: str, kernel: str = "") -> Rows:
    """One GPU's fused MoE kernels of all its experts, by one kernel (the name that `kernel` is part of)."""
    found = _read(device, "moe", framework, version, "moe_perf")
    width = found["inter_size"] // found["moe_tp_size"]
    kept = (found["moe_dtype"] == dtype) & (found["distribution"] == distribution) & (found["moe_ep_size"] == 1)
    kept &= width >= LEAST_INTERMEDIATE
    kept &= np.array([kernel in source for source in found["kernel_source"]])
    kept &= np.array(
        [
            each not in OTHER_ROUTING
            for each in zip(found["hidden_size"], found["topk"], found["num_experts"], strict=True)
        ]
    )
    columns = {
        "tokens": found["num_tokens"],
        "top_k": found["topk"],
        "experts": found["num_experts"],
        "hidden": found["hidden_size"],
        "intermediate": width,
        "whole": found["inter_size"],
    }
    rows = Rows({name: column[kept] for name, column in columns.items()}, found["latency"][kept] * 1e3)
    matrices = [2 if each in UNGATED else 3 for each in zip(rows["hidden"], rows["top_k"], strict=True)]
    return Rows({**rows.columns, "matrices": np.array(matrices)}, rows.us)


def products(device: str, framework: str, version: str, dtype: str) -> Rows:
    found = _read(device, "gemm", framework, version, "gemm_perf")
    kept = found["gemm_dtype"] == dtype
    columns = {"rows": found["m"], "columns": found["n"], "inner": found["k"]}
    return Rows({name: column[kept] for name, column in columns.items()}, found["latency"][kept] * 1e3)


def attention(device: str, framework: str, version: str, kind: str) -> Rows:
    """`kind`: decode or prefill; with 16-bit keys, without a window."""
    name = "generation_attention_perf" if kind == "decode" else "context_attention_perf"
    found = _read(device, "attention", framework, version, name)
    wide = np.isin(found["attn_dtype"], ("bfloat16", "float16")) & np.isin(
        found["kv_cache_dtype"], ("bfloat16", "float16")
    )
    kept = wide & (found.get("window_size", np.zeros(len(wide))) == 0)
    heads = found["num_heads"]
    kv_heads = np.where(found["num_key_value_heads"] > 0, found["num_key_value_heads"], heads)
    queries = np.ones(len(heads)) if kind == "decode" else found["isl"]
    columns = {
        "sequences": found["batch_size"],
        "queries": queries,
        "keys": found["step"] + 1.0 if kind == "decode" else (queries + 1) / 2,
        "heads": heads,
        "kv_heads": kv_heads,
        "key_dim": found["head_dim"],
        "value_dim": found["head_dim"],
    }
    return Rows({name: column[kept] for name, column in columns.items()}, found["latency"][kept] * 1e3)


def latent(device: str, framework: str, version: str) -> Rows:
    """Decode of DeepSeek-V3's latent attention, the kernel alone."""
    found = _read(device, "mla", framework, version, "generation_mla_perf")
    kept = np.isin(found["kv_cache_dtype"], ("bfloat16", "float16")) & np.isin(
        found["mla_dtype"], ("bfloat16", "float16")
    )
    ones = np.ones(len(kept))
    columns = {
        "sequences": found["batch_size"],
        "queries": ones,
        "keys": found["step"] + 1.0,
        "heads": found["num_heads"],
        "kv_heads": ones,
        "key_dim": 576 * ones,
        "value_dim": 512 * ones,
    }
    return Rows({name: column[kept] for name, column in columns.items()}, found["latency"][kept] * 1e3)


def power_law(tokens: int, top_k: int, experts_: int, alpha: float) -> Floats:
    """[experts] tokens of each, as `power_law_logits_v3` of aiconfigurator's collector draws them, with the middles of
    equal parts of the distribution instead of random numbers."""
    pairs = tokens * top_k
    low, high = (1.0, 0.8 * tokens) if pairs > experts_ else (0.01, 2.0)
    middle = (np.arange(experts_) + 0.5) / experts_
    power = 1.0 - alpha
    drawn = ((high**power - low**power) * middle + low**power) ** (1.0 / power)
    counts = np.minimum(np.round(drawn / drawn.sum() * pairs), tokens)
    while counts.sum() < pairs:  # to those that have fewest
        counts[np.argsort(counts)[: int(pairs - counts.sum())]] += 1
    while counts.sum() > pairs:
        counts[np.argsort(-counts)[: int(counts.sum() - pairs)]] -= 1
    return counts
