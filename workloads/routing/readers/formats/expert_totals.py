"""Counts over a whole recording, [layers, experts]: the weights that load balancers are fed with."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.routing.readers.containers.arrays import LONE, take
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.formats.expert_counts import NAME
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity


@trace_formats.register("expert-totals")
class ExpertTotals(TraceFormat):
    summary = "how often each expert was chosen in all: [layers, experts]"
    written_by = "load balancers (EPLB) and dumps summed over their steps"
    known_by = "array `logical_count` or a lone integer array, of 2 dimensions"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        if NAME in content.arrays:
            return content.arrays[NAME].ndim == 2
        lone = content.arrays.get(LONE)
        return lone is not None and lone.dtype.kind in "iu" and lone.ndim == 2

    def read(self, content: Content, router: ModelRouter | None) -> ExpertPopularity:
        arrays = content.arrays if LONE not in content.arrays else {NAME: content.arrays[LONE]}
        if NAME in arrays and arrays[NAME].ndim == 3:  # steps, for who says so
            arrays = {NAME: arrays[NAME].sum(axis=0)}
        counts = take(arrays, NAME, 2, "iuf", content.path).astype(np.float64)
        return ExpertPopularity(counts[counts.any(axis=1)], str(content.path))
