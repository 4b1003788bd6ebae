"""Traces that hold the chosen experts of every token: our own format, and plain arrays alike to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import MOST_EXPERTS, Arrays, as_expert_ids, take
from moe_cosim.workloads.routing.routing import normalised
from moe_cosim.workloads.routing.token_trace import FORMAT, VERSION, TokenTrace


def from_own_format(arrays: Arrays, path: Path, top_k: int | None) -> TokenTrace:
    """Version 1 of docs/routing.md."""
    if str(take(arrays, "format", 0, "U", path)) != FORMAT:
        raise InputError(path, "format", str(arrays["format"]), repr(FORMAT))
    version = int(take(arrays, "version", 0, "iu", path))
    if version != VERSION:
        raise InputError(path, "version", version, f"{VERSION}, the version this program reads")
    return from_token_arrays(arrays, path, top_k)


def from_token_arrays(arrays: Arrays, path: Path, top_k: int | None) -> TokenTrace:
    """`experts` [tokens, layers, k] and `offsets` [documents + 1], with the optional arrays of our format.

    Weights are scaled to sum to 1. Published traces name the kind of text `domain` or `dataset`.
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


def from_routed_experts(arrays: Arrays, path: Path, top_k: int | None) -> TokenTrace:
    """vLLM's `routed_experts` of one request, [tokens, layers, k]: one document."""
    experts = take(arrays, "routed_experts", 3, "iu", path)
    return from_token_arrays({"experts": experts, "offsets": np.array([0, len(experts)])}, path, top_k)
