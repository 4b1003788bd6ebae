"""Architectures of ``.gguf`` files with routed experts, and what their keys do not say (ggml-org/llama.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.workloads.models.model import RouterScore


@dataclass(frozen=True)
class Architecture:
    """Of files in which the keys ``expert_gating_func`` and ``expert_weights_norm`` say otherwise, these do."""

    score: RouterScore
    norm_topk: bool
    sliding_period: int = 1
    """With a window all layers but each so-manieth slide; 1: none does."""
    window: int | None = None
    """Where no key says it."""


ARCHITECTURES: Final[dict[str, Architecture]] = {
    "llama": Architecture("softmax-topk", True),  # Mixtral
    "llama4": Architecture("sigmoid", False, sliding_period=4, window=8192),  # chunks, as in its config.json
    "qwen2moe": Architecture("softmax", False),
    "qwen3moe": Architecture("softmax", True),
    "qwen3vlmoe": Architecture("softmax", True),
    "deepseek": Architecture("softmax", False),
    "deepseek2": Architecture("softmax", False),
    "glm4moe": Architecture("sigmoid-bias", True),
    "gpt-oss": Architecture("softmax-topk", True, sliding_period=2),
    "olmoe": Architecture("softmax", False),
    "phimoe": Architecture("sparsemixer", False),
    "granitemoe": Architecture("softmax-topk", True),
    "dots1": Architecture("sigmoid-bias", True),
    "ernie4_5-moe": Architecture("softmax", True),
    "hunyuan-moe": Architecture("softmax", True),
    "minimax-m2": Architecture("sigmoid-bias", True),
}
"""By ``general.architecture``."""

GATING: Final[dict[int, RouterScore]] = {1: "softmax", 2: "sigmoid", 3: "softmax-topk"}
"""By ``expert_gating_func``; a router with a bias for selecting (``exp_probs_b``) is ``sigmoid-bias``."""
