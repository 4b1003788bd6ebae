"""What every field of an experiment is called, options of plug-ins among them."""

from __future__ import annotations

from functools import cache
from typing import Final

from moe_cosim.options import Options, option_rows
from moe_cosim.sim.display.names import words
from moe_cosim.sim.display.units import unit_of

PARAMETERS: Final = {
    "name": "Experiment",
    "description": "Description",
    "machine.use": "Machine",
    "machine.set": "Machine, changed",
    "model": "Model",
    "routing": "Routing",
    "routing.source": "Router",
    "neurons": "Activity of neurons",
    "neurons.source": "Source of activity",
    "workload.batch": "Batch size",
    "workload.prompt_tokens": "Prompt length",
    "workload.output_tokens": "Output length",
    "workload.skipped_tokens": "Skipped output",
    "workload.verify": "Speculative decoding",
    "workload.verify.draft_tokens": "Draft length",
    "workload.verify.acceptance": "Acceptance",
    "workload.verify.draft": "Draft model",
    "workload.verify.draft.model": "Draft model",
    "workload.verify.draft.unit": "Unit of the draft model",
    "quantization.expert_format": "Format of experts",
    "quantization.dense_format": "Format of dense parts",
    "quantization.attention_format": "Format of attention",
    "quantization.shared_format": "Format of shared experts",
    "quantization.head_format": "Format of the head",
    "quantization.embedding_format": "Format of the embedding",
    "quantization.kv_format": "Format of the KV cache",
    "quantization.average_bits": "Average width of experts",
    "quantization.allocation": "Allocation of widths",
    "quantization.losses": "Losses",
    "kv_cache": "Place of the KV cache",
    "policy": "Policy",
    "policy.name": "Policy",
    "software": "Software",
    "engine": "Engine",
    "engine.name": "Engine",
    "assumptions": "Assumptions",
    "seed": "Seed",
    "window.steps": "Window of steps",
    "window.layers": "Window of layers",
}
"""By the path that ``--set`` takes; the options of plug-ins are named after themselves."""

WITH_OPTIONS: Final = ("policy", "routing", "neurons", "engine")
"""Fields of an experiment that carry options."""


def option(path: str) -> tuple[str, str]:
    """Name and unit: ``policy.gpu_experts`` is ``GPU experts`` (``per layer``), ``engine.time_limit_s`` is
    ``Time limit`` (``s``), ``assumptions.cxl-link-rate`` is ``CXL link rate``. "" where no plug-in says a unit."""
    kind, _, field = path.partition(".")
    unit = _units(kind).get(field, "") if kind in WITH_OPTIONS else ""
    first, _, rest = unit.partition(" ")
    if unit and field.endswith(f"_{unit}") and unit_of(field) == unit:
        return words(field.removesuffix(unit)), unit
    return words(field), rest if field.endswith(first) else unit


@cache
def _units(kind: str) -> dict[str, str]:
    """By option; two plug-ins with an option of one name mean the same by it."""
    return {row.field: row.unit for options in options_of(kind) for row in option_rows(options)}


def options_of(kind: str) -> list[type[Options]]:
    """Options of every plug-in that the field of an experiment may name."""
    if kind == "policy":
        from moe_cosim.workloads.neurons.policies.base import neuron_policies
        from moe_cosim.workloads.policies.base import policies

        return [plug_in.options_class for registry in (policies, neuron_policies) for _, plug_in in registry]
    if kind == "routing":
        from moe_cosim.workloads.routing.routing import routers

        return [plug_in.options_class for _, plug_in in routers]
    if kind == "neurons":
        from moe_cosim.workloads.neurons.source import SOURCES

        return list(SOURCES.values())
    from moe_cosim.sim.engines.base import engines

    return [plug_in.options_class for _, plug_in in engines]
