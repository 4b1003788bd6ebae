"""TensorRT-LLM's expert statistic: for each iteration and layer the tokens that each expert got, of one rank.

(tensorrt_llm/_torch/modules/fused_moe, ExpertStatistic: keys ``ITERATION_LAYER`` of bincounts.)
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts

_KEY: Final = re.compile(r"(\d{1,9})_(\d{1,9})")


@trace_formats.register("tensorrt-llm")
class TensorRtLlm(TraceFormat):
    summary = "counts [experts] of every iteration and layer, of one rank's tokens"
    written_by = "TensorRT-LLM (EXPERT_STATISTIC_ITER_RANGE): rankN.safetensors"
    known_by = "tensors called `ITERATION_LAYER`, all integers"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        arrays = content.arrays
        return bool(arrays) and all(_KEY.fullmatch(name) and array.dtype.kind in "iu" for name, array in arrays.items())

    def read(self, content: Content, router: ModelRouter | None) -> BatchCounts:
        found = {tuple(map(int, name.split("_"))): a for name, a in content.arrays.items() if _KEY.fullmatch(name)}
        iterations, layers = sorted({i for i, _ in found}), sorted({layer for _, layer in found})
        experts = next((array.shape for array in found.values()), ())
        for iteration in iterations:
            for layer in layers:
                counts = found.get((iteration, layer))
                if counts is None or counts.shape != experts or counts.ndim != 1:
                    said = Plain("nothing" if counts is None else f"shape {counts.shape}")
                    raise InputError(
                        content.path, f"tensor {iteration}_{layer}", said, "counts [experts] of every layer"
                    )
        if not found:
            raise InputError(content.path, "tensors", Plain("none called ITERATION_LAYER"), "rankN.safetensors")
        counts = np.array([[found[i, layer] for layer in layers] for i in iterations], np.int64)
        return BatchCounts.of(counts, needed(router, content, "counts").top_k, content.path)
