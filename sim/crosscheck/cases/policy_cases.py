"""Whole steps of every policy on a model of reduced width: prefill and two decode steps."""

from __future__ import annotations

from functools import partial

from moe_cosim.sim.crosscheck.cases.whole_steps import MODELS, whole_steps

_TINY = MODELS / "mixtral-tiny.json"
"""Mixtral's shape with 3 layers and an eighth of the width."""
_NARROW = MODELS / "mixtral-narrow.json"
"""All 32 layers of Mixtral-8x7B at a sixteenth of the width."""


_mixtral = partial(
    whole_steps, model=_TINY, preset="mixtral-8x7b", workload={"batch": 1, "prompt_tokens": 4, "output_tokens": 3}
)

CASES = (
    _mixtral("policy-on-demand", "every expert fetched", "on-demand", "h100-host"),
    _mixtral(
        "policy-lru-speculative",
        "cache of two per layer, prefetch lane",
        {"name": "lru", "cache_experts": 2, "speculative": True},
        "h100-host",
    ),
    _mixtral("policy-belady", "cache of two per layer", {"name": "belady", "cache_experts": 2}, "h100-host"),
    _mixtral("policy-hobbit", "two precisions, prefetch lane", "hobbit", "h100-host"),
    _mixtral("policy-monde", "weights to the GPU beside near-data kernels", "monde", "h100-cxl-ndp"),
    _mixtral(
        "policy-cxl-ndp",
        "experts on the GPU and near the data at 1 to 4 bits",
        {"name": "cxl-ndp", "gpu_experts": 4},
        "h100-cxl-ndp",
        quantization={"average_bits": 3},
    ),
    _mixtral(
        "policy-cxl-ndp-four-devices",
        "the same over four devices",
        {"name": "cxl-ndp", "gpu_experts": 2},
        "h100-cxl-ndp-4",
        quantization={"average_bits": 2},
    ),
    _mixtral("policy-all-on-gpu", "nothing moves", "all-on-gpu", "h100-host"),
    _mixtral(
        "decode-step-reduced-width",
        "32 layers of Mixtral-8x7B at a sixteenth of the width",
        {"name": "cxl-ndp", "gpu_experts": 4},
        "h100-cxl-ndp",
        model=_NARROW,
        workload={"batch": 1, "prompt_tokens": 4, "output_tokens": 2},
        quantization={"average_bits": 3},
    ),
)
