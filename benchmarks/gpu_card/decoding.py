"""Single-token steps of MoE language models of Hugging Face transformers, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    GptOssConfig,
    MixtralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3MoeConfig,
    StaticCache,
)

BATCHES: Final = (1, 8, 64)
CONTEXT: Final = 512
ROOM: Final = 16  # steps that a static cache has room for beyond the context
SEED: Final = 20261126


@dataclass(frozen=True)
class Architecture:
    """A model without its number of layers, and the two numbers of layers it is measured with."""

    name: str
    config: Callable[..., PreTrainedConfig]
    layers: tuple[int, int]
    attention: str = "sdpa"

    def build(self, layers: int) -> PreTrainedModel:
        """On the device, bfloat16, weights random as the model initialises them, the router's too."""
        torch.manual_seed(SEED)
        with torch.device("cuda"):
            model = AutoModelForCausalLM.from_config(
                self.config(num_hidden_layers=layers), dtype=torch.bfloat16, attn_implementation=self.attention
            )
        return model.eval().requires_grad_(False)


def _qwen3_30b(num_hidden_layers: int) -> PreTrainedConfig:
    return Qwen3MoeConfig(
        vocab_size=151936, hidden_size=2048, num_attention_heads=32, num_key_value_heads=4, head_dim=128,
        num_experts=128, num_experts_per_tok=8, moe_intermediate_size=768, norm_topk_prob=True,
        num_hidden_layers=num_hidden_layers,
    )  # fmt: skip


def _gpt_oss_20b(num_hidden_layers: int) -> PreTrainedConfig:
    # A full window of a static cache is rolled with a copy from the host, which no CUDA graph takes.
    return GptOssConfig(
        num_local_experts=32, num_hidden_layers=num_hidden_layers, layer_types=["full_attention"] * num_hidden_layers
    )


ARCHITECTURES: Final = (
    Architecture("Qwen3-30B-A3B", _qwen3_30b, (2, 6)),
    Architecture("Mixtral-8x7B", MixtralConfig, (1, 4)),
    Architecture("gpt-oss-20b without sliding windows", _gpt_oss_20b, (2, 6), attention="eager"),
)


@dataclass(frozen=True)
class Variant:
    """How a step runs. The loop over experts asks the device which ones are chosen, so no CUDA graph takes it."""

    experts_implementation: str
    mode: str
    cache: str  # "dynamic" grows with each step, "static" holds CONTEXT + ROOM keys and attends to all, masked

    def columns(self) -> dict[str, Any]:
        """The columns that name the variant."""
        return vars(self)


VARIANTS: Final = (
    Variant("eager", "eager", "dynamic"),
    Variant("grouped_mm", "eager", "dynamic"),
    Variant("grouped_mm", "eager", "static"),
    Variant("grouped_mm", "cuda graph", "static"),
)


class Decoder:
    """A model and caches of `batch` sequences, filled with CONTEXT random tokens when first wanted."""

    def __init__(self, architecture: Architecture, model: PreTrainedModel, batch: int) -> None:
        self.model = model
        self.token = torch.randint(model.config.vocab_size, (batch, 1), device="cuda")
        # Without one, eager attention makes its mask from values of the host, which no CUDA graph takes.
        self.mask = None
        if architecture.attention == "eager":
            self.mask = torch.zeros((batch, 1, 1, CONTEXT + ROOM), dtype=torch.bfloat16, device="cuda")
        self.prompt = torch.randint(model.config.vocab_size, (batch, CONTEXT), device="cuda")
        self.caches: dict[str, Any] = {}

    def step(self, variant: Variant) -> Callable[[], torch.Tensor]:
        """One step, eagerly whatever the mode: logits [batch, 1, vocabulary]. Starts at CONTEXT in a static cache."""
        cache, static = self._filled(variant.cache), variant.cache == "static"
        if static:
            self.rewind()
        self.model.set_experts_implementation(variant.experts_implementation)
        return lambda: self._forward(self.token, cache, self.mask if static else None)

    def rewind(self) -> None:
        """Sets the static cache back to CONTEXT keys."""
        for layer in self.caches["static"].layers:
            layer.cumulative_length.fill_(CONTEXT)

    def _filled(self, kind: str) -> Any:
        if kind not in self.caches:
            config = self.model.config
            static = kind == "static"
            cache = StaticCache(config, max_cache_len=CONTEXT + ROOM) if static else DynamicCache(config=config)
            self.model.set_experts_implementation("grouped_mm")
            self._forward(self.prompt, cache, None)
            self.caches[kind] = cache
        return self.caches[kind]

    def _forward(self, tokens: torch.Tensor, cache: Any, mask: torch.Tensor | None) -> torch.Tensor:
        outputs = self.model(tokens, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: torch.Tensor = outputs.logits
        return logits


def decoders() -> Iterator[tuple[Architecture, int, dict[int, Decoder]]]:
    """Each architecture and batch with the decoders by number of layers, fewer layers first."""
    for architecture in ARCHITECTURES:
        models = {layers: architecture.build(layers) for layers in architecture.layers}
        for batch in BATCHES:
            yield architecture, batch, {layers: Decoder(architecture, models[layers], batch) for layers in models}
        del models
        torch.cuda.empty_cache()
