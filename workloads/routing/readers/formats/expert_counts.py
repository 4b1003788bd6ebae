"""Counts of a batch's steps: ``logical_count`` [steps, layers, experts] of sglang's recorder in its modes stat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import LONE, take
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts

NAME = "logical_count"


@trace_formats.register("expert-counts")
class ExpertCounts(TraceFormat):
    summary = "tokens of the batch that each expert got: [steps, layers, experts]"
    written_by = (
        "SGLang's expert distribution recorder (modes stat, stat_approx): the .pt itself, or as .npz or JSON; "
        "moe-cosim routing convert (with `top_k`)"
    )
    known_by = "array `logical_count` of 3 dimensions; or a lone integer array whose layers of a step sum up alike"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        if NAME in content.arrays:
            return content.arrays[NAME].ndim == 3
        lone = content.arrays.get(LONE)
        return lone is not None and _could_be_counts(lone, top_k)

    def read(self, content: Content, router: ModelRouter | None) -> BatchCounts:
        arrays = content.arrays if LONE not in content.arrays else {NAME: content.arrays[LONE]}
        if NAME in arrays and arrays[NAME].ndim == 2:  # one step, for who says so
            arrays = {NAME: arrays[NAME][np.newaxis]}
        counts = take(arrays, NAME, 3, "iu", content.path).astype(np.int64)
        if counts.size and counts.min() < 0:
            raise InputError(content.path, NAME, int(counts.min()), "counts of 0 or more")
        if not counts.any():
            raise InputError(content.path, NAME, Plain("nothing counted"), "at least one step with tokens")
        said = take(arrays, "top_k", 0, "iu", content.path) if "top_k" in arrays else None
        top_k = needed(router, content, "counts").top_k if said is None else int(said)
        if top_k < 1:
            raise InputError(content.path, "top_k", top_k, "at least 1")
        return BatchCounts.of(counts, top_k, content.path)


def _could_be_counts(array: NDArray[Any], top_k: int | None) -> bool:
    if array.dtype.kind not in "iu" or array.ndim != 3 or array.size == 0 or int(array.min()) < 0:
        return False
    sums = array.sum(axis=2)
    sums = sums[:, sums.any(axis=0)]  # layers without experts
    return sums.size > 0 and bool((sums == sums[:, :1]).all()) and (top_k is None or not bool((sums % top_k).any()))
