"""Statistics of a trace file, or of what a generator preset draws."""

from __future__ import annotations

import os
from pathlib import Path

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, one_of
from moe_cosim.workloads.limits import check_routing_size
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.routing.batch_source import BatchSource
from moe_cosim.workloads.routing.generator import GeneratorSource
from moe_cosim.workloads.routing.latent import load_preset, preset_names
from moe_cosim.workloads.routing.readers import read_trace
from moe_cosim.workloads.routing.routing import RoutingShape
from moe_cosim.workloads.routing.statistics import RoutingStats, routing_stats

BATCH = "batch"


def routing_statistics(source: str, model: str | None, sequences: int, tokens: int, seed: int) -> RoutingStats:
    """`source`: a trace file (`model` says its experts per token where the file does not); a preset, drawn in the
    shape of `model` (default: the preset's own); or ``batch``, the generator of large batches (default: DeepSeek-V2).
    """
    if source == BATCH:
        found = find_model(model or "deepseek-v2", "--model")
        check_routing_size(sequences * tokens, len(found.moe_layers), found.top_k, "routing stats")
        shape = RoutingShape(len(found.moe_layers), found.routed_experts, found.top_k, sequences, 1, tokens - 1)
        return routing_stats(BatchSource({}, "routing stats", Path()).draw(shape, seed, Assumptions()))
    if source not in preset_names():
        if not os.path.isfile(source):
            allowed = f"a trace file, or {one_of(preset_names(), source)}"
            raise InputError("routing stats", "source", source, allowed)
        top_k = None if model is None else find_model(model, "--model").top_k
        return routing_stats(read_trace(Path(source), top_k=top_k))
    preset = load_preset(source)
    if model is None:
        layers, experts, top_k = preset.layers, preset.experts, preset.top_k
    else:
        found = find_model(model, "--model")
        layers, experts, top_k = len(found.moe_layers), found.routed_experts, found.top_k
    # a few tokens of prompt, the rest decode: the statistics read the sequence as a whole
    check_routing_size(sequences * tokens, layers, top_k, "routing stats")
    shape = RoutingShape(layers, experts, top_k, sequences, 1, tokens - 1)
    generator = GeneratorSource({"preset": source}, "routing stats", Path())
    return routing_stats(generator.draw(shape, seed, Assumptions()))
