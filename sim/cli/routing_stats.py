"""Statistics of a recording, or of what a generator preset draws."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.workloads.limits import check_routing_size
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.routing.batch_source import BatchSource
from moe_cosim.workloads.routing.generator import GeneratorSource
from moe_cosim.workloads.routing.latent import load_preset, preset_names
from moe_cosim.workloads.routing.readers import AUTO, read_recording
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, Recording
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.recorded.trace import Trace
from moe_cosim.workloads.routing.routing import RoutingShape
from moe_cosim.workloads.routing.statistics import RoutingStats, counted_stats, routing_stats
from moe_cosim.workloads.routing.trace_source import check_fits

BATCH: Final = "batch"
_MOST_CHOICES: Final = 2**25
"""Of a recording that are looked at (measuring takes 20 bytes of each): whole documents from its beginning."""


def routing_statistics(
    source: str, model: str | None, sequences: int, tokens: int, seed: int, format_name: str = AUTO
) -> RoutingStats:
    """`source`: a recording (`model` says what the file does not, and has to be its); a preset, drawn in the shape of
    `model` (default: the preset's own); or ``batch``, the generator of large batches (default: DeepSeek-V2). Raises
    `InputError`.
    """
    if source == BATCH:
        found = find_model(model or "deepseek-v2", "--model")
        check_routing_size(sequences * tokens, len(found.moe_layers), found.top_k, "routing stats")
        return routing_stats(
            BatchSource({}, "routing stats", Path()).draw(_shape(found, sequences, tokens), seed, Assumptions())
        )
    if source not in preset_names():
        if not os.path.exists(source):
            allowed = f"a trace file, or {one_of(preset_names(), source)}"
            raise InputError("routing stats", "source", source, allowed)
        return _of_recording(*read_file(source, model, format_name))
    if format_name != AUTO:
        raise InputError("routing stats", "--format", format_name, "nothing beside a preset, which is no file")
    preset = load_preset(source)
    if model is None:
        layers, experts, top_k = preset.layers, preset.experts, preset.top_k
    else:
        found = find_model(model, "--model")
        layers, experts, top_k = len(found.moe_layers), found.router_experts, found.top_k
    # a few tokens of prompt, the rest decode: the statistics read the sequence as a whole
    check_routing_size(sequences * tokens, layers, top_k, "routing stats")
    shape = RoutingShape(layers, experts, top_k, sequences, 1, tokens - 1)
    generator = GeneratorSource({"preset": source}, "routing stats", Path())
    return routing_stats(generator.draw(shape, seed, Assumptions()))


def read_file(path: str, model: str | None, format_name: str) -> tuple[Recording, ModelRouter | None]:
    """A recording, held against the model if one is named."""
    found = None if model is None else find_model(model, "--model")
    router = None if found is None else ModelRouter(found.top_k, found.router_score)
    recording = read_recording(Path(path), format_name, router)
    if found is not None:
        check_fits(recording, _shape(found, 1, 1))
    return recording, router


def _shape(model: Model, sequences: int, tokens: int) -> RoutingShape:
    """One token of prompt, the rest decode."""
    return RoutingShape(
        len(model.moe_layers), model.router_experts, model.top_k, sequences, 1, tokens - 1, model.router_score
    )


def _of_recording(recording: Recording, router: ModelRouter | None) -> RoutingStats:
    if isinstance(recording, BatchCounts):
        pooled = recording.counts.sum(axis=0).astype(np.float64)
        return counted_stats(pooled, int(recording.tokens.sum()), recording.top_k, recording.where)
    if isinstance(recording, ExpertPopularity):
        if router is None:
            raise InputError(recording.where, "top_k", Plain("nothing"), "the model's experts per token (--model)")
        tokens = round(float(recording.counts.sum(axis=1).mean()) / router.top_k)
        return counted_stats(recording.counts, tokens, router.top_k, recording.where)
    return routing_stats(_some(recording))


def _some(trace: Trace) -> TokenTrace:
    """All of it, or as many documents as are looked at."""
    if isinstance(trace, TokenTrace):
        return trace
    most = _MOST_CHOICES // (trace.layers * trace.top_k)
    return TokenTrace.of(trace, max(1, int(np.searchsorted(trace.offsets, most, side="right")) - 1))
