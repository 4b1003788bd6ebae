"""One step of one layer of every policy, at its catalogue machine and the full size of its experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.cases.whole_steps import whole_steps
from moe_cosim.sim.crosscheck.independent.told import told_nothing
from moe_cosim.workloads.programs.program import Program

_MODELS: Final = Path(str(files("moe_cosim.sim.crosscheck.independent") / "models"))
_QWEN: Final = "qwen3-30b-one-layer.json"
"""128 experts of 4.7 million weights, 8 to a token; at 4 bits, but where a policy mixes widths itself."""
_NO_OVERHEAD: Final = {"host-overhead-per-layer": "0 s"}
_FREE_HUB: Final = {"devices.host.switch.rate": "unlimited"}
"""Of the edge host: recorded without the rate that its ports share."""
_LINE_BYTES: Final = 1024


def _step(name: str, *said: Any, quantization: Mapping[str, Any] = {}, **more: Any) -> Case:
    """As `whole_steps`."""
    case = whole_steps(
        f"step-{name}",
        *said,
        model=_MODELS / _QWEN,
        preset="qwen3-30b",
        workload={"batch": 1, "prompt_tokens": 1, "output_tokens": 1},
        assumptions=_NO_OVERHEAD,
        quantization={"expert_format": "int4", "dense_format": "int4", **quantization},
        **more,
    )
    return told_nothing(_without_floors(case), line_bytes=_LINE_BYTES)


def _without_floors(case: Case) -> Case:
    """Kernels that take what their traffic takes: no launches, no arithmetic."""

    def build() -> tuple[Machine, Program]:
        machine, program = case.build()
        events = program.events.copy()
        events["setup_ps"] = events["busy_ps"] = 0
        return machine, replace(program, events=events)

    return replace(case, build=build)


def policy_cases() -> list[Case]:
    """A case for each policy, on a machine that it is for."""
    return [
        _step("on-demand", "every expert fetched", "on-demand", "h100-host"),
        _step(
            "lru",
            "cache and prefetch",
            {"name": "lru", "cache_experts": 8, "speculative": True},
            "h100-host",
        ),
        _step("belady", "cache", {"name": "belady", "cache_experts": 12}, "h100-host"),
        _step("hobbit", "two precisions", "hobbit", "h100-host", quantization={"expert_format": "int8"}),
        _step("all-on-gpu", "nothing moves", "all-on-gpu", "h100-host"),
        _step("monde", "weights to the GPU beside near-data kernels", "monde", "h100-cxl-ndp"),
        _step(
            "cxl-ndp",
            "experts on the GPU and near the data at 1 to 4 bits",
            {"name": "cxl-ndp", "gpu_experts": 4},
            "h100-cxl-ndp",
            quantization={"average_bits": 3},
        ),
        _step(
            "cxl-ndp-four-devices",
            "the same over four devices",
            {"name": "cxl-ndp", "gpu_experts": 2},
            "h100-cxl-ndp-4",
            quantization={"average_bits": 2},
        ),
        _step(
            "trimoe",
            "GPU, CPU and modules",
            {"name": "trimoe", "gpu_experts": 4},
            "h100-amx-dimm-ndp",
            kv_cache="near-data",
        ),
        _step("monde-dimm", "the modules", "monde-dimm", "h100-amx-dimm-ndp", kv_cache="near-data"),
        _step(
            "ktransformers",
            "the CPU",
            {"name": "ktransformers", "gpu_experts": 0},
            "h100-amx-dimm-ndp",
            kv_cache="near-data",
        ),
        _step("klotski", "fetched", {"name": "klotski", "gpu_experts": 0}, "h100-amx-dimm-ndp", kv_cache="near-data"),
        _step("fiddler", "cold experts on the CPU", {"name": "fiddler", "gpu_experts": 0}, "h100-amx-dimm-ndp"),
        _step("edge-ndp", "tensor parallel modules", "edge-ndp", "rtx5080-dimm-ndp-4", settings=_FREE_HUB),
    ]
