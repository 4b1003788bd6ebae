"""Whole steps of every policy on a model of reduced width: prefill and two decode steps."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import case
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.program import Program

MODELS = Path(str(files("moe_cosim.sim.crosscheck") / "models"))
_TINY = MODELS / "mixtral-tiny.json"
"""Mixtral's shape with 3 layers and an eighth of the width."""
_NARROW = MODELS / "mixtral-narrow.json"
"""All 32 layers of Mixtral-8x7B at a sixteenth of the width."""


def _prepared(
    policy: Mapping[str, Any], machine: str, model: Path = _TINY, output_tokens: int = 3, **quantization: Any
) -> tuple[Machine, Program]:
    experiment = Experiment.model_validate(
        {
            "name": "crosscheck",
            "machine": {"use": machine},
            "model": str(model),
            "routing": {"source": "generator", "preset": "mixtral-8x7b"},
            "workload": {"batch": 1, "prompt_tokens": 4, "output_tokens": output_tokens},
            "quantization": quantization,
            "policy": dict(policy),
        }
    )
    prepared = prepare(experiment)
    return prepared.machine, prepared.program


@case("policy-on-demand", "every expert fetched")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "on-demand"}, "h100-host")


@case("policy-lru-speculative", "cache of two per layer, prefetch lane")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "lru", "cache_experts": 2, "speculative": True}, "h100-host")


@case("policy-belady", "cache of two per layer")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "belady", "cache_experts": 2}, "h100-host")


@case("policy-hobbit", "two precisions, prefetch lane")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "hobbit"}, "h100-host")


@case("policy-monde", "weights to the GPU beside near-data kernels")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "monde"}, "h100-cxl-ndp")


@case("policy-cxl-ndp", "experts on the GPU and near the data at 1 to 4 bits")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "cxl-ndp", "gpu_experts": 4}, "h100-cxl-ndp", average_bits=3)


@case("policy-cxl-ndp-four-devices", "the same over four devices")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "cxl-ndp", "gpu_experts": 2}, "h100-cxl-ndp-4", average_bits=2)


@case("policy-all-on-gpu", "nothing moves")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "all-on-gpu"}, "h100-host")


@case("decode-step-reduced-width", "32 layers of Mixtral-8x7B at a sixteenth of the width")
def _() -> tuple[Machine, Program]:
    return _prepared({"name": "cxl-ndp", "gpu_experts": 4}, "h100-cxl-ndp", _NARROW, output_tokens=2, average_bits=3)
