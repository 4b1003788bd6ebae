"""Router logits, as Hugging Face models return them with ``output_router_logits=True``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import Arrays, take
from moe_cosim.workloads.routing.token_trace import TokenTrace


def from_router_logits(arrays: Arrays, path: Path, top_k: int | None) -> TokenTrace:
    """`router_logits` [layers, tokens, experts] (the model's tuple, stacked), optional `offsets`.

    The top_k largest are the chosen experts, best first; their softmax is the weights.
    """
    logits = take(arrays, "router_logits", 3, "f", path)
    if top_k is None or not 1 <= top_k <= logits.shape[2]:
        raise InputError(path, "top_k", Plain(str(top_k)), f"the model's experts per token, 1 to {logits.shape[2]}")
    if logits.size == 0 or not bool(np.isfinite(logits).all()):
        raise InputError(path, "router_logits", Plain("no values, or NaN or infinity"), "finite logits")
    scores = logits.swapaxes(0, 1).astype(np.float64)
    chosen = np.argsort(-scores, axis=2, kind="stable")[:, :, :top_k]
    best = np.take_along_axis(scores, chosen, axis=2)
    raised = np.exp(best - best[:, :, :1])
    offsets = take(arrays, "offsets", 1, "iu", path) if "offsets" in arrays else np.array([0, len(chosen)])
    return TokenTrace(
        experts=chosen.astype(np.uint16),
        weights=(raised / raised.sum(axis=2, keepdims=True)).astype(np.float32),
        offsets=offsets.astype(np.int64),
        num_experts=int(logits.shape[2]),
        where=str(path),
    )
