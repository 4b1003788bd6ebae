"""Routing of requests that vLLM served with ``enable_return_routed_experts``. Untested with vLLM itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace


def from_vllm(outputs: Iterable[Any], num_experts: int) -> TokenTrace:
    """A trace of `outputs` (what ``LLM.generate`` returns): each completion's ``routed_experts`` [tokens, layers, k] is
    a document. Raises `InputError` for completions without it. vLLM gives no gate weights."""
    documents = []
    for request, output in enumerate(outputs):
        for completion in output.outputs:
            experts = getattr(completion, "routed_experts", None)
            if experts is None:
                found = Plain(f"no routed_experts in request {request}")
                raise InputError("capture", "outputs", found, "LLM(..., enable_return_routed_experts=True)")
            documents.append(np.asarray(experts).astype(np.uint16))
    if not documents:
        raise InputError("capture", "outputs", Plain("no completions"), "at least one")
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in documents])]).astype(np.int64)
    return TokenTrace(np.concatenate(documents), None, offsets, num_experts, where="capture")
