"""What a mixture-of-experts model looks like to a machine: shapes and counts, no weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.checkpoint import Checkpoint

RouterScore = Literal["softmax", "softmax-topk", "sigmoid", "sigmoid-bias", "sparsemixer"]
"""How the router turns logits into weights.

``softmax``: over all experts, then top-k. ``softmax-topk``: top-k first, softmax over those.
``sigmoid``: each expert for itself. ``sigmoid-bias``: the same, with a balancing bias that only
selects (DeepSeek-V3, arXiv 2412.19437, 2.1.2). ``sparsemixer``: Phi-3.5-MoE's masked softmax.
"""

_MOST_PARAMS: Final = 10**16
_MOST_KV_BYTES: Final = 10**9
_MOST_EXPERTS: Final = 2**15 - 1
"""Beyond any model by far; below, no product of sizes leaves int64."""


@dataclass(frozen=True)
class Model:
    """One architecture. Two models are equal when their architectures are, whatever their names.

    Parameter counts leave out norms, biases and per-head gains (together below 0.1 % of every
    model in the catalogue), multi-token-prediction layers and vision towers.
    """

    name: str = field(compare=False)
    hf_id: str = field(compare=False)
    hidden: int
    layers: int
    attention: Attention
    vocab: int
    tied_embeddings: bool
    routed_experts: int
    top_k: int
    expert: ExpertShape
    shared_intermediate: int
    """Total width of the shared experts of one MoE layer; 0: none."""
    dense_intermediate: int
    """Width of the feed-forward block of the layers without experts; 0: there are none, or they have no such block."""
    moe_layers: tuple[int, ...]
    """Indices of the layers with experts, increasing."""
    norm_topk_prob: bool
    """Whether the chosen experts' weights are scaled to sum to 1."""
    router_score: RouterScore
    source: str = field(compare=False)
    encoder_layers: int = 0
    """The first this many layers are an encoder; those after them also have cross-attention."""
    other_attention: OtherAttention = ()
    """Of the layers that have another than `attention`."""
    identity_experts: int = 0
    """Further experts of a router that give a token back as it is (LongCat-Flash, arXiv 2509.01322, 2.1): numbered
    behind the routed ones, without weights."""
    context_length: int | None = field(default=None, compare=False)
    """Tokens of a sequence that it was made for; None: not said."""
    checkpoint: Checkpoint = field(default=Checkpoint(), compare=False)
    """How it is stored; an experiment may run it otherwise."""

    @property
    def encoder_moe_layers(self) -> int:
        """How many of `moe_layers` are the encoder's: the first."""
        return sum(layer < self.encoder_layers for layer in self.moe_layers)

    @property
    def router_experts(self) -> int:
        """What the router of a layer chooses among."""
        return self.routed_experts + self.identity_experts

    @property
    def active_experts(self) -> int:
        """Experts with weights of a token; where there are others, of one that chooses evenly among all, rounded."""
        return round(self.top_k * self.routed_experts / self.router_experts)

    @property
    def router_products(self) -> tuple[tuple[int, int], ...]:
        """(inner, columns) of a layer's router and, where experts work on a latent of their own width (Nemotron 3), of
        the products into and out of it."""
        latent = self.expert.hidden if self.expert.hidden != self.hidden else 0
        router = self.hidden, self.router_experts + latent
        return (router, (latent, self.hidden)) if latent else (router,)

    @property
    def router_weights(self) -> int:
        """Number of weights of one MoE layer's router."""
        return sum(inner * columns for inner, columns in self.router_products)

    @property
    def embedding_params(self) -> int:
        """Number of weights of the embedding; the head is counted apart."""
        return self.vocab * self.hidden

    @property
    def head_params(self) -> int:
        """0 when the head is the embedding table."""
        return 0 if self.tied_embeddings else self.vocab * self.hidden

    @property
    def routed_params(self) -> int:
        """Number of weights of all routed experts of all MoE layers."""
        return len(self.moe_layers) * self.routed_experts * self.expert.weights

    @cached_property
    def attention_by_layer(self) -> tuple[Attention, ...]:
        """[layers]."""
        found = [self.attention] * self.layers
        for other, layers in self.other_attention:
            for layer in layers:
                found[layer] = other
        return tuple(found)

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """Those that differ, in the order of layers."""
        return tuple(dict.fromkeys(self.attention_by_layer))

    @property
    def has_plain_attention(self) -> bool:
        """All layers alike, over all keys that are kept, without an encoder."""
        alike = not self.encoder_layers and not self.other_attention
        return alike and not self.attention.index_topk and self.attention.kind != "linear"

    @cached_property
    def dense_params_by_layer(self) -> tuple[int, ...]:
        """[layers] parameters outside the routed experts: attention, router, shared or dense FFN."""
        sparse = frozenset(self.moe_layers)
        return tuple(self._attention_params(i) + self._ffn_params(i in sparse) for i in range(self.layers))

    @property
    def total_params(self) -> int:
        """Number of weights; of tied embeddings once. See the class for what is left out."""
        return self.routed_params + sum(self.dense_params_by_layer) + self.embedding_params + self.head_params

    @property
    def active_params(self) -> int:
        """Parameters one token uses, with the whole embedding table and head.

        Publishers differ in whether they count those two; subtract `embedding_params` and
        `head_params` to compare with one who does not.
        """
        routed = len(self.moe_layers) * self.active_experts * self.expert.weights
        return routed + sum(self.dense_params_by_layer) + self.embedding_params + self.head_params

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of 16-bit keys and values per token, over all layers that keep any.

        Sliding windows bound how many tokens are kept, not what one takes. With an encoder: one
        decoder token's self-attention entries plus one encoder token's cross-attention entries.
        """
        if self.encoder_layers:
            return 4 * (self.layers - self.encoder_layers) * self.attention.kv_values_per_token
        return 2 * sum(each.kv_values_per_token + each.index_values_per_token for each in self.attention_by_layer)

    def kept_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """As `Attention.kept_tokens`, by each layer's attention (broadcast)."""
        return self._by_attention(layer, context_tokens, Attention.kept_tokens)

    def attended_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """As `Attention.attended_tokens`, by each layer's attention (broadcast)."""
        return self._by_attention(layer, context_tokens, Attention.attended_tokens)

    def cached_tokens(self, workload: Workload) -> int:
        """Tokens of one sequence whose keys and values a layer keeps at the end, if no window bounds them: with an
        encoder those of the decoder alone."""
        return workload.context_tokens - (workload.prompt_tokens if self.encoder_layers else 0)

    def layers_with(self, attention: Attention) -> NDArray[np.int64]:
        """[layers that have it] their indices, increasing."""
        return np.flatnonzero([each == attention for each in self.attention_by_layer])

    def title(self) -> str:
        """One line for lists."""
        return (
            f"{self.total_params / 1e9:.1f}B parameters, {self.active_params / 1e9:.1f}B active; {self.layers} layers, "
            f"{self.routed_experts} experts of {self.expert.weights * 2 / 1e6:.1f} MB (16-bit), top-{self.top_k}"
        )

    def validate(self, where: object) -> Model:
        """This model; raises `InputError` for numbers that contradict one another."""
        checks = (
            (self.top_k <= self.router_experts, "top_k", self.top_k, f"at most {self.router_experts} routed experts"),
            (
                self.router_experts <= _MOST_EXPERTS,
                "identity_experts",
                self.identity_experts,
                f"at most {_MOST_EXPERTS} experts with the {self.routed_experts} routed ones",
            ),
            (bool(self.moe_layers), "moe_layers", Plain("none"), "at least one layer with experts"),
            (
                len(self.moe_layers) == self.layers or self.dense_intermediate > 0 or self.other_attention != (),
                "dense_intermediate",
                self.dense_intermediate,
                "a width, as some layers have no experts",
            ),
            (
                not self.encoder_layers or (self.attention.kind == "gqa" and not self.other_attention),
                "encoder_layers",
                self.encoder_layers,
                "none, or gqa attention alike in all layers",
            ),
            (
                self.total_params <= _MOST_PARAMS,
                "sizes",
                Plain(f"{self.total_params:.2g} parameters"),
                f"at most {_MOST_PARAMS:.0e} (byte counts must fit into 63 bits)",
            ),
            (
                self.kv_bytes_per_token <= _MOST_KV_BYTES,
                "attention",
                Plain(f"{self.kv_bytes_per_token:.2g} bytes of keys and values per token"),
                f"at most {_MOST_KV_BYTES:.0e}",
            ),
        )
        for holds, name, found, allowed in checks:
            if not holds:
                raise InputError(where, name, found, allowed)
        for attention in self.attentions:
            attention.validate(where)
        return self

    def _by_attention(
        self,
        layer: ArrayLike,
        context_tokens: ArrayLike,
        count: Callable[[Attention, ArrayLike, ArrayLike], NDArray[np.int64]],
    ) -> NDArray[np.int64]:
        found = count(self.attention, layer, context_tokens)
        for other, layers in self.other_attention:
            found = np.where(np.isin(layer, layers), count(other, layer, context_tokens), found)
        return found

    def _attention_params(self, layer: int) -> int:
        blocks = 2 if self.encoder_layers and layer >= self.encoder_layers else 1
        return blocks * self.attention_by_layer[layer].projection_weights(self.hidden)

    def _ffn_params(self, sparse: bool) -> int:
        if not sparse:
            return self.expert.matrices * self.hidden * self.dense_intermediate
        return self.router_weights + self.expert.matrices * self.hidden * self.shared_intermediate
