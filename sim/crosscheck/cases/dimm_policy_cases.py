"""Whole steps of the policies of machines with NDP-DIMMs, on a model of reduced width."""

from __future__ import annotations

from functools import partial
from typing import Final

from moe_cosim.sim.crosscheck.cases.whole_steps import MODELS, whole_steps

_TINY: Final = MODELS / "qwen3-tiny.json"
"""Qwen3's shape with 2 layers of 64 experts and an eighth of the width."""
_MACHINE: Final = "h100-amx-dimm-ndp"


_WORK: Final = {"batch": 8, "prompt_tokens": 8, "output_tokens": 3}
_qwen3 = partial(whole_steps, model=_TINY, preset="qwen3-30b", workload=_WORK)

CASES = (
    _qwen3(
        "policy-trimoe",
        "GPU, CPU and modules share the experts; KV cache in the DIMMs",
        "trimoe",
        _MACHINE,
        kv_cache="near-data",
    ),
    _qwen3(
        "policy-trimoe-relayout",
        "few experts on the GPU, more tokens: layouts change over DIMM-Link",
        {"name": "trimoe", "gpu_experts": 4},
        _MACHINE,
        kv_cache="near-data",
        workload={**_WORK, "batch": 48},
    ),
    _qwen3(
        "policy-monde-dimm",
        "weights to the GPU beside kernels on the modules",
        "monde-dimm",
        _MACHINE,
        kv_cache="near-data",
    ),
    _qwen3(
        "policy-ktransformers",
        "experts on the CPU from striped memory",
        "ktransformers",
        _MACHINE,
        kv_cache="near-data",
    ),
    _qwen3("policy-klotski", "experts fetched behind a batch of batches", "klotski", _MACHINE, kv_cache="near-data"),
    _qwen3(
        "policy-fiddler", "cold experts on the CPU, from the DIMMs", "fiddler", _MACHINE, workload={**_WORK, "batch": 1}
    ),
    _qwen3(
        "policy-edge-ndp",
        "tensor parallelism over four modules of the edge machine, through the rate of its hub",
        "edge-ndp",
        "rtx5080-dimm-ndp-4",
        workload={**_WORK, "batch": 1},
    ),
)
