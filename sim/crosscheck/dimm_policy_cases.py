"""Whole steps of the policies of machines with NDP-DIMMs, on a model of reduced width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.whole_steps import MODELS, whole_steps

_TINY: Final = MODELS / "qwen3-tiny.json"
"""Qwen3's shape with 2 layers of 64 experts and an eighth of the width."""


def _qwen3(
    name: str,
    says: str,
    policy: str | Mapping[str, Any],
    machine: str = "h100-amx-dimm-ndp",
    settings: Mapping[str, Any] | None = None,
    batch: int = 8,
    **more: Any,
) -> Case:
    return whole_steps(
        name,
        says,
        machine={"use": machine, "set": dict(settings or {})},
        model=str(_TINY),
        routing={"source": "generator", "preset": "qwen3-30b", "version": 1},
        workload={"batch": batch, "prompt_tokens": 8, "output_tokens": 3},
        policy={"name": policy} if isinstance(policy, str) else dict(policy),
        **more,
    )


CASES = (
    _qwen3(
        "policy-trimoe", "GPU, CPU and modules share the experts; KV cache in the DIMMs", "trimoe", kv_cache="near-data"
    ),
    _qwen3(
        "policy-trimoe-relayout",
        "few experts on the GPU, more tokens: layouts change over DIMM-Link",
        {"name": "trimoe", "gpu_experts": 4},
        kv_cache="near-data",
        batch=48,
    ),
    _qwen3("policy-monde-dimm", "weights to the GPU beside kernels on the modules", "monde-dimm", kv_cache="near-data"),
    _qwen3("policy-ktransformers", "experts on the CPU from striped memory", "ktransformers", kv_cache="near-data"),
    _qwen3("policy-klotski", "experts fetched behind a batch of batches", "klotski", kv_cache="near-data"),
    _qwen3("policy-fiddler", "cold experts on the CPU, from the DIMMs", "fiddler", batch=1),
    _qwen3(
        "policy-edge-ndp",
        "tensor parallelism over four modules of the edge machine, through the rate of its hub",
        "edge-ndp",
        "rtx5080-dimm-ndp-4",
        batch=1,
    ),
)
