"""Tables of measured kernels: those of `aiconfigurator-core` (Apache-2.0, NVIDIA), read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain

PACKAGE: Final = "aiconfigurator_core"
DTYPES: Final = {
    "bf16": "bfloat16",
    "fp16": "bfloat16",
    "fp8": "fp8",
    "fp8-block": "fp8_block",
    "int4": "int4_wo",
    "mxfp4": "w4a16_mxfp4",
    "nvfp4": "nvfp4",
}
"""What the tables call the formats of weights."""
UNGATED: Final = {(1024, 22), (2048, 22), (8192, 22), (2688, 6)}
"""(hidden, top k) of experts without a gate: Nemotron 3's, ``mlp_hidden_act: relu2`` in the package's model_configs."""

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class MeasuredTables:
    """The tables of one GPU under one version of a framework."""

    framework: str
    version: str
    device: str

    def experts(self, dtype: str) -> Columns:
        """Fused kernels of all of a model's experts on one GPU, balanced; columns [kernels], times in seconds."""
        found = self._rows("moe", "moe_perf")
        kept = (found["moe_dtype"] == dtype) & (found["distribution"] == "balanced") & (found["moe_ep_size"] == 1)
        ungated = [each in UNGATED for each in zip(found["hidden_size"], found["topk"], strict=True)]
        columns = {
            "tokens": found["num_tokens"],
            "top_k": found["topk"],
            "experts": found["num_experts"],
            "hidden": found["hidden_size"],
            "intermediate": found["inter_size"] // np.maximum(found["moe_tp_size"], 1),
            "matrices": np.where(ungated, 2, 3),
            "seconds": found["latency"] * 1e-3,
        }
        return {name: column[kept] for name, column in columns.items()}

    def products(self, dtype: str) -> Columns:
        """Products of `rows` x `inner` with weights `inner` x `columns` of the format; columns [kernels], times in
        seconds.
        """
        found = self._rows("gemm", "gemm_perf")
        # vLLM's products with block scales take 57 us and more there at any size, which is Python's time
        kept = (found["gemm_dtype"] == dtype) & ((self.framework, dtype) != ("vllm", "fp8_block"))
        columns = {"rows": found["m"], "inner": found["k"], "columns": found["n"], "seconds": found["latency"] * 1e-3}
        return {name: column[kept] for name, column in columns.items()}

    def attention(self, kind: str) -> Columns:
        """`kind`: ``decode``, ``prefill``, or ``latent`` (decode); 16-bit keys, no window. Columns [kernels], times in
        seconds.
        """
        if kind == "latent":
            found = self._rows("mla", "generation_mla_perf")
            kept = _wide(found, "mla_dtype")
            shape = {"kv_heads": np.ones(len(kept)), "key_dim": np.full(len(kept), 576)}
        else:
            found = self._rows(
                "attention", "generation_attention_perf" if kind == "decode" else "context_attention_perf"
            )
            kept = _wide(found, "attn_dtype")
            if "window_size" in found:
                kept = kept & (found["window_size"] == 0)
            kv_heads = found["num_key_value_heads"]
            shape = {
                "kv_heads": np.where(kv_heads > 0, kv_heads, found["num_heads"]),
                "key_dim": found["head_dim"],
            }
        prompt = kind == "prefill"
        columns = {
            "sequences": found["batch_size"],
            "queries": found["isl"] if prompt else np.ones(len(kept)),
            "keys": (found["isl"] + 1) / 2 if prompt else found["step"] + 1.0,
            "heads": found["num_heads"],
            **shape,
            "seconds": found["latency"] * 1e-3,
        }
        return {name: column[kept] for name, column in columns.items()}

    def _rows(self, op: str, name: str) -> Columns:
        """Empty columns where there is no such table."""
        return _read(tables_root(), self.device, op, self.framework, self.version, name)

    @property
    def title(self) -> str:
        """What reports and refusals call these tables."""
        return f"{PACKAGE} {self.device} {self.framework} {self.version}"


def tables_root() -> Path:
    """Where the package has its tables; `InputError` where it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        allowed = "the extra 'measured': pip install 'moe-cosim[measured]' (or kind: tile-gpu)"
        raise InputError("measured-gpu", "environment", Plain(f"no {PACKAGE}"), allowed)
    return Path(spec.submodule_search_locations[0]) / "systems" / "data"


@lru_cache(maxsize=16)
def _read(root: Path, device: str, op: str, framework: str, version: str, name: str) -> Columns:
    path = root / device / op / framework / version / f"{name}.parquet"
    if not (root / device).is_dir():
        raise InputError("measured-gpu", "tables.device", device, sorted(each.name for each in root.iterdir()))
    if not path.is_file():
        return _Absent()
    table = extras.load("pyarrow.parquet", "measured-gpu", "measured").read_table(path)
    return {column: table[column].to_numpy() for column in table.column_names}


class _Absent(Columns):
    """Every column, without rows."""

    def __missing__(self, name: str) -> NDArray[Any]:
        return np.zeros(0)


def _wide(found: Columns, dtype: str) -> NDArray[np.bool_]:
    names = ("bfloat16", "float16")
    return np.isin(found[dtype], names) & np.isin(found["kv_cache_dtype"], names)
