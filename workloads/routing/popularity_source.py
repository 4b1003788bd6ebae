"""Routing drawn from how often experts were chosen: what counts over a whole recording can say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.options import Options, option
from moe_cosim.workloads.routing.readers import AUTO, read_recording
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.recorded.trace import Trace
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, RoutingSource, routers
from moe_cosim.workloads.routing.trace_source import check_fits


class PopularityOptions(Options):
    """Where counts are, and how they are written."""

    file: str = option(
        ..., "how often each expert was chosen, or a recording of which that is counted", allowed="a path"
    )
    format: str = option(
        AUTO,
        "how it is written; auto: what the file says",
        allowed="auto, or a trace format (moe-cosim list trace-formats)",
    )


@routers.register("popularity")
class PopularitySource(RoutingSource):
    """Every token draws its k experts by itself, layer by layer: skew between experts is the recording's, locality
    within a sequence and agreement between layers are not there."""

    summary: ClassVar[str] = "tokens drawn one by one from the recorded popularity of each layer's experts"
    options_class = PopularityOptions
    follows_sequences = False
    options: PopularityOptions

    def __init__(self, options: Mapping[str, Any], where: object, folder: Path) -> None:
        super().__init__(options, where, folder)
        self.path = folder / self.options.file
        if self.options.format != AUTO:
            trace_formats.get(self.options.format, where, "routing.format")

    def draw(self, shape: RoutingShape, seed: int, assumptions: Assumptions) -> Routing:
        recording = read_recording(self.path, self.options.format, ModelRouter(shape.top_k, shape.router_score))
        check_fits(recording, shape)
        popularity = popularity_of(recording)
        prompt = shape.sequences * shape.prompt_tokens
        drawn = popularity.draw(prompt + shape.sequences * shape.output_tokens, shape.top_k, seed)
        token = (shape.layers, shape.top_k)
        prefill = drawn[:prompt].reshape(shape.sequences, shape.prompt_tokens, *token)
        decode = drawn[prompt:].reshape(shape.output_tokens, shape.sequences, *token)
        equal = np.float32(1 / shape.top_k)
        return Routing(
            prefill_experts=prefill,
            prefill_weights=np.broadcast_to(equal, prefill.shape),
            decode_experts=decode,
            decode_weights=np.broadcast_to(equal, decode.shape),
            num_experts=shape.experts,
            source=f"popularity of {self.path.name}, seed {seed}",
        )


def popularity_of(recording: Trace | BatchCounts | ExpertPopularity) -> ExpertPopularity:
    """Counted over all of a recording."""
    if isinstance(recording, ExpertPopularity):
        return recording
    if isinstance(recording, BatchCounts):
        return ExpertPopularity(recording.counts.sum(axis=0).astype(np.float64), recording.where)
    experts = TokenTrace.of(recording).experts if not isinstance(recording, TokenTrace) else recording.experts
    counts = np.stack([np.bincount(layer.ravel(), minlength=recording.num_experts) for layer in experts.swapaxes(0, 1)])
    return ExpertPopularity(counts.astype(np.float64), recording.where)
