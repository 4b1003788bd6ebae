"""TensorRT-LLM's expert statistic: for each iteration and layer the tokens that each expert got, of one rank.

(tensorrt_llm/_torch/modules/fused_moe, ExpertStatistic: keys ``ITERATION_LAYER`` of bincounts.)
"""

from __future__ import annotations

import json
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts

_KEY: Final = re.compile(r"(\d{1,9})_(\d{1,9})")


@trace_formats.register("tensorrt-llm")
class TensorRtLlm(TraceFormat):
    summary = "counts [experts] of every iteration and layer, of one rank's tokens; or the folder, of all ranks'"
    written_by = "TensorRT-LLM (EXPERT_STATISTIC_ITER_RANGE): rankN.safetensors, and meta_info.json with k"
    known_by = "tensors called `ITERATION_LAYER`, all integers"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return all(map(_is_rank, _ranks(content) or [content]))

    def read(self, content: Content, router: ModelRouter | None) -> BatchCounts:
        """One step an iteration; what ranks counted is added up."""
        total: dict[tuple[int, int], NDArray[np.int64]] = {}
        for rank in _ranks(content) or [content]:
            for name, array in rank.arrays.items():
                key = _KEY.fullmatch(name)
                if key is None or array.ndim != 1 or array.dtype.kind not in "iu":
                    found = Plain(f"{array.dtype} of shape {array.shape}")
                    raise InputError(rank.path, f"tensor {name}", found, "ITERATION_LAYER of counts [experts]")
                at = int(key[1]), int(key[2])
                counts = array.astype(np.int64)
                if counts.shape != total.get(at, counts).shape:
                    raise InputError(rank.path, f"tensor {name}", Plain(f"shape {counts.shape}"), "as in other ranks")
                total[at] = total[at] + counts if at in total else counts
        top_k = _said_k(content) or needed(router, content, "counts").top_k
        return BatchCounts.of(_by_step(total, content), top_k, content.path)


def _ranks(content: Content) -> list[Content]:
    return [one for one in content.members if one.container == "safetensors"]


def _is_rank(content: Content) -> bool:
    arrays = content.arrays if content.container == "safetensors" else {}
    return bool(arrays) and all(_KEY.fullmatch(name) and array.dtype.kind in "iu" for name, array in arrays.items())


def _said_k(content: Content) -> int | None:
    """Of the folder's meta_info.json."""
    for one in content.members:
        if one.container == "json-lines" and b'"num_experts_per_token"' in one.head:
            try:
                found = json.loads(one.head).get("num_experts_per_token")
            except (ValueError, AttributeError, RecursionError):
                continue
            if isinstance(found, int) and found > 0:
                return found
    return None


def _by_step(total: dict[tuple[int, int], NDArray[np.int64]], content: Content) -> NDArray[np.int64]:
    """[iterations, layers, experts]."""
    iterations, layers = sorted({i for i, _ in total}), sorted({layer for _, layer in total})
    experts = next((array.shape for array in total.values()), ())
    for iteration in iterations:
        for layer in layers:
            counts = total.get((iteration, layer))
            if counts is None or counts.shape != experts:
                said = Plain("nothing" if counts is None else f"shape {counts.shape}")
                allowed = "counts [experts] of every layer"
                raise InputError(content.path, f"tensor {iteration}_{layer}", said, allowed)
    if not total:
        raise InputError(content.path, "tensors", Plain("none called ITERATION_LAYER"), "rankN.safetensors")
    return np.array([[total[i, layer] for layer in layers] for i in iterations], np.int64)
