"""Traces that hold the chosen experts of every token: our own format, and plain arrays alike to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import MOST_EXPERTS, Arrays, as_expert_ids, take
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import FORMAT, VERSION, TokenTrace
from moe_cosim.workloads.routing.routing import normalised


@trace_formats.register("moe-cosim")
class OwnFormat(TraceFormat):
    summary = "our own format: ids, weights, documents and what is known of them"
    written_by = "moe-cosim routing convert, TokenTrace.save, moe_cosim.capture"
    known_by = "array `format`"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return "format" in content.arrays

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        arrays, path = content.arrays, content.path
        if str(take(arrays, "format", 0, "U", path)) != FORMAT:
            raise InputError(path, "format", str(arrays["format"]), repr(FORMAT))
        version = int(take(arrays, "version", 0, "iu", path))
        if version != VERSION:
            raise InputError(path, "version", version, f"{VERSION}, the version this program reads")
        return from_token_arrays(arrays, path)


@trace_formats.register("token-arrays")
class TokenArrays(TraceFormat):
    summary = "`experts` [tokens, layers, k] and `offsets` [documents + 1], optionally `weights` and kinds of text"
    written_by = "published traces"
    known_by = "array `experts`, and no `format`"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return "experts" in content.arrays and "format" not in content.arrays

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        return from_token_arrays(content.arrays, content.path)


def from_token_arrays(arrays: Arrays, path: Path) -> TokenTrace:
    """`experts` [tokens, layers, k] and `offsets` [documents + 1], with the optional arrays of our format.

    Weights are scaled to sum to 1. Published traces name the kind of text `domain` or `dataset`. Raises `InputError`
    for arrays that no model could have routed so.
    """
    experts = as_expert_ids(take(arrays, "experts", 3, "iu", path), path)
    if experts.size == 0:
        raise InputError(path, "experts", Plain(f"shape {experts.shape}"), "[tokens, layers, k], at least one token")
    weights = None
    if "weights" in arrays:
        weights = take(arrays, "weights", 3, "f", path).astype(np.float32)
        if not bool(np.isfinite(weights).all()) or bool((weights < 0).any()):
            raise InputError(path, "weights", Plain("NaN, infinite or negative values"), "finite weights of 0 or more")
        if weights.shape != experts.shape:
            raise InputError(path, "weights", Plain(f"shape {weights.shape}"), f"the experts' {experts.shape}")
        weights = normalised(weights)
    known = "num_experts" in arrays
    count = int(take(arrays, "num_experts", 0, "iu", path)) if known else int(experts.max()) + 1
    if count > MOST_EXPERTS:
        raise InputError(path, "num_experts", count, f"at most {MOST_EXPERTS}")
    names = next((name for name in ("domains", "domain", "dataset") if name in arrays), None)
    prompts = take(arrays, "prompt_tokens", 1, "iu", path) if "prompt_tokens" in arrays else None
    return TokenTrace(
        experts=experts,
        weights=weights,
        offsets=take(arrays, "offsets", 1, "iu", path).astype(np.int64),
        num_experts=count,
        num_experts_known=known,
        prompt_tokens=None if prompts is None else prompts.astype(np.int64),
        domains=None if names is None else tuple(map(str, take(arrays, names, 1, "U", path))),
        where=str(path),
    )
