"""vLLM's ``routed_experts`` of one request, [tokens, layers, k]: one document."""

from __future__ import annotations

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import LONE, take
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.formats.token_arrays import from_token_arrays
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

_NAME = "routed_experts"


@trace_formats.register("routed-experts")
class RoutedExperts(TraceFormat):
    summary = "ids [tokens, layers, k] of one request"
    written_by = "vLLM (`enable_return_routed_experts`), SGLang likewise"
    known_by = "array `routed_experts`; or a lone integer array whose rows are all of k different ids"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        if _NAME in content.arrays:
            return True
        lone = content.arrays.get(LONE)
        if lone is None or lone.dtype.kind not in "iu" or lone.ndim != 3 or lone.size == 0:
            return False
        if top_k is not None and lone.shape[2] != top_k:
            return False
        rows = np.sort(lone, axis=2)
        return int(lone.min()) >= 0 and not bool((rows[..., 1:] == rows[..., :-1]).any())

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        arrays = content.arrays if LONE not in content.arrays else {_NAME: content.arrays[LONE]}
        experts = take(arrays, _NAME, 3, "iu", content.path)
        if router is not None and experts.shape[2] != router.top_k:
            found = Plain(f"{experts.shape[2]} in a row")
            raise InputError(content.path, "experts per token", found, f"{router.top_k}, as the model has")
        return from_token_arrays({"experts": experts, "offsets": np.array([0, len(experts)])}, content.path)
