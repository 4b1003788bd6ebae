"""What a mixture-of-experts model looks like to a machine: shapes and counts, no weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.workloads.models.checkpoint import Checkpoint

AttentionKind = Literal["gqa", "mla"]

RouterScore = Literal["softmax", "softmax-topk", "sigmoid", "sigmoid-bias", "sparsemixer"]
"""How the router turns logits into weights.

``softmax``: over all experts, then top-k. ``softmax-topk``: top-k first, softmax over those.
``sigmoid``: each expert for itself. ``sigmoid-bias``: the same, with a balancing bias that only
selects (DeepSeek-V3, arXiv 2412.19437, 2.1.2). ``sparsemixer``: Phi-3.5-MoE's masked softmax.
"""

_MOST_PARAMS: Final = 10**16
_MOST_KV_BYTES: Final = 10**9
"""Beyond any model by far; below, no product of sizes leaves int64."""


@dataclass(frozen=True)
class Attention:
    """Attention of one layer; every layer has the same shapes.

    ``gqa`` is grouped-query attention, multi-head when `kv_heads` equals `heads`. ``mla`` is
    multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1): the cache holds one latent
    vector and one rotary key per token, whatever the number of heads.
    """

    kind: AttentionKind
    heads: int
    kv_heads: int
    head_dim: int
    """Of a query; for ``mla`` the sum of `qk_nope_head_dim` and `qk_rope_head_dim`."""
    q_lora_rank: int = 0
    """``mla`` only; 0: queries come from the hidden state in one projection."""
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    gated: bool = False
    """``gqa`` only: one more projection, as wide as the queries, gates the attended values."""
    sliding_window: int | None = None
    """Tokens that the layers in `sliding_layers` look back on; None: no layer slides."""
    sliding_layers: tuple[int, ...] = ()

    def projections(self, hidden: int) -> tuple[tuple[int, int], ...]:
        """(inner, columns) of the matrix products around the scores of one layer, as kernels fuse them: those of one
        input are one product."""
        queries = self.heads * self.head_dim
        if self.kind == "gqa":
            return (hidden, (1 + self.gated) * queries + 2 * self.kv_heads * self.head_dim), (queries, hidden)
        latent = self.kv_lora_rank + self.qk_rope_head_dim
        expand = self.kv_lora_rank, self.heads * (self.qk_nope_head_dim + self.v_head_dim)
        output = self.heads * self.v_head_dim, hidden
        if self.q_lora_rank:
            return (hidden, self.q_lora_rank + latent), (self.q_lora_rank, queries), expand, output
        return (hidden, queries + latent), expand, output

    def projection_weights(self, hidden: int) -> int:
        """Weights of the query, key, value and output projections of one layer, without biases."""
        return sum(inner * columns for inner, columns in self.projections(hidden))

    @property
    def core(self) -> AttentionShape:
        """What attends, between the projections."""
        if self.kind == "mla":
            return AttentionShape(
                self.heads, 1, self.kv_lora_rank + self.qk_rope_head_dim, self.kv_lora_rank, latent=True
            )
        return AttentionShape(self.heads, self.kv_heads, self.head_dim, self.head_dim)

    @property
    def prompt_core(self) -> AttentionShape:
        """The same in prefill, where latent attention expands keys and values for every head."""
        if self.kind == "mla":
            return AttentionShape(self.heads, self.heads, self.head_dim, self.v_head_dim)
        return self.core

    @property
    def kv_values_per_token(self) -> int:
        """Numbers that one token adds to one layer's cache."""
        return self.core.values_per_key

    def query_bytes(self, bytes_per_value: int = 2) -> tuple[int, int]:
        """Bytes per token to whoever holds its keys (queries) and back (attended values), one layer.

        With latent attention the query is projected into the latent space first (DeepSeek-V2, arXiv
        2405.04434, 2.1.2): heads x (latent + rotary) values go, heads x latent come back.
        """
        if self.kind == "mla":
            there = self.heads * (self.kv_lora_rank + self.qk_rope_head_dim)
            return bytes_per_value * there, bytes_per_value * self.heads * self.kv_lora_rank
        size = bytes_per_value * self.heads * self.head_dim
        return size, size

    def attended_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """How many of `context_tokens` each `layer` looks back on: all, or a sliding window of them (broadcast)."""
        layers, context = np.broadcast_arrays(np.asarray(layer, dtype=np.int64), np.asarray(context_tokens, np.int64))
        if self.sliding_window is None:
            return context
        return np.where(np.isin(layers, self.sliding_layers), np.minimum(context, self.sliding_window), context)


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
    """Width of the feed-forward block of the layers without experts; 0: there are none."""
    moe_layers: tuple[int, ...]
    """Indices of the layers with experts, increasing."""
    norm_topk_prob: bool
    """Whether the chosen experts' weights are scaled to sum to 1."""
    router_score: RouterScore
    native_bits: int
    """Bits per routed weight as the model is published to be served: 16 unless it is quantized."""
    source: str = field(compare=False)
    encoder_layers: int = 0
    """The first this many layers are an encoder; those after them also have cross-attention."""
    checkpoint: Checkpoint = field(default=Checkpoint(), compare=False)
    """How it is stored; an experiment may run it otherwise."""

    @property
    def embedding_params(self) -> int:
        return self.vocab * self.hidden

    @property
    def head_params(self) -> int:
        """0 when the head is the embedding table."""
        return 0 if self.tied_embeddings else self.vocab * self.hidden

    @property
    def routed_params(self) -> int:
        return len(self.moe_layers) * self.routed_experts * self.expert.weights

    @cached_property
    def dense_params_by_layer(self) -> tuple[int, ...]:
        """[layers] parameters outside the routed experts: attention, router, shared or dense FFN."""
        sparse = frozenset(self.moe_layers)
        return tuple(self._attention_params(i) + self._ffn_params(i in sparse) for i in range(self.layers))

    @property
    def total_params(self) -> int:
        return self.routed_params + sum(self.dense_params_by_layer) + self.embedding_params + self.head_params

    @property
    def active_params(self) -> int:
        """Parameters one token uses, with the whole embedding table and head.

        Publishers differ in whether they count those two; subtract `embedding_params` and
        `head_params` to compare with one who does not.
        """
        routed = len(self.moe_layers) * self.top_k * self.expert.weights
        return routed + sum(self.dense_params_by_layer) + self.embedding_params + self.head_params

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of 16-bit keys and values per token, over all layers that keep any.

        Sliding windows bound how many tokens are kept, not what one takes. With an encoder: one
        decoder token's self-attention entries plus one encoder token's cross-attention entries.
        """
        caches = 2 * (self.layers - self.encoder_layers) if self.encoder_layers else self.layers
        return 2 * caches * self.attention.kv_values_per_token

    def title(self) -> str:
        """One line for lists."""
        return (
            f"{self.total_params / 1e9:.1f}B parameters, {self.active_params / 1e9:.1f}B active; {self.layers} layers, "
            f"{self.routed_experts} experts of {self.expert.weights * 2 / 1e6:.1f} MB (16-bit), top-{self.top_k}"
        )

    def validate(self, where: object) -> Model:
        """This model; raises `InputError` for numbers that contradict one another."""
        checks = (
            (self.top_k <= self.routed_experts, "top_k", self.top_k, f"at most {self.routed_experts} routed experts"),
            (bool(self.moe_layers), "moe_layers", Plain("none"), "at least one layer with experts"),
            (
                self.attention.heads % self.attention.kv_heads == 0,
                "kv_heads",
                self.attention.kv_heads,
                f"a divisor of {self.attention.heads} heads",
            ),
            (
                len(self.moe_layers) == self.layers or self.dense_intermediate > 0,
                "dense_intermediate",
                self.dense_intermediate,
                "a width, as some layers have no experts",
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
        return self

    def _attention_params(self, layer: int) -> int:
        blocks = 2 if self.encoder_layers and layer >= self.encoder_layers else 1
        return blocks * self.attention.projection_weights(self.hidden)

    def _ffn_params(self, sparse: bool) -> int:
        if not sparse:
            return self.expert.matrices * self.hidden * self.dense_intermediate
        router = self.hidden * self.routed_experts
        return router + self.expert.matrices * self.hidden * self.shared_intermediate
