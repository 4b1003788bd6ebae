"""What a mixture-of-experts model looks like to a machine: shapes and counts, no weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.workloads.models.checkpoint import Checkpoint

AttentionKind = Literal["gqa", "mla", "linear"]

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
    """Attention of one layer.

    ``gqa`` is grouped-query attention, multi-head when `kv_heads` equals `heads`. ``mla`` is
    multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1): the cache holds one latent
    vector and one rotary key per token, whatever the number of heads. ``linear`` (gated delta rule, arXiv 2412.06464)
    keeps a matrix of `head_dim` x `v_head_dim` per head of values instead of keys and values of tokens.

    With an index (DeepSeek-V3.2-Exp, 2025, 2.1) a layer attends to the `index_topk` tokens whose index keys score best:
    `index_heads` heads of `index_dim` score all of them. A layer without index heads takes what one before it found.
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
    key_heads: int = 0
    """``linear`` only; `heads` are those of the values."""
    conv_kernel: int = 0
    """``linear`` only: tokens of inputs that a causal convolution looks back on, itself included."""
    numbers_per_head: int = 2
    """``linear`` only: decay and rate of a delta rule; Mamba-2 has one."""
    index_heads: int = 0
    index_dim: int = 0
    index_topk: int = 0
    gated: bool = False
    """``gqa`` only: one more projection, as wide as the queries, gates the attended values."""
    sliding_window: int | None = None
    """Tokens that the layers in `sliding_layers` look back on; None: no layer slides."""
    sliding_layers: tuple[int, ...] = ()

    def projections(self, hidden: int) -> tuple[tuple[int, int], ...]:
        """(inner, columns) of the matrix products around the scores of one layer, as kernels fuse them: those of one
        input are one product."""
        queries = self.heads * self.head_dim
        if self.kind == "linear":  # queries, keys, values, their gate, and numbers a head
            values = self.heads * self.v_head_dim
            return (hidden, 2 * self.key_heads * self.head_dim + 2 * values + self.numbers_per_head * self.heads), (
                values,
                hidden,
            )
        if self.kind == "gqa":
            value_dim = self.core.value_dim
            inputs = (1 + self.gated) * queries + self.kv_heads * (self.head_dim + value_dim)
            inputs += (self.index_heads + (self.index_heads > 0)) * self.index_dim
            return (hidden, inputs), (self.heads * value_dim, hidden)
        latent = self.kv_lora_rank + self.qk_rope_head_dim
        expand = self.kv_lora_rank, self.heads * (self.qk_nope_head_dim + self.v_head_dim)
        output = self.heads * self.v_head_dim, hidden
        if self.index_heads:  # index queries from the compressed ones; an index key and the heads' weights
            indexed = self.index_heads * self.index_dim
            latent += self.index_dim + self.index_heads
            return (hidden, self.q_lora_rank + latent), (self.q_lora_rank, queries + indexed), expand, output
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
        if self.kind == "linear":
            return AttentionShape(self.heads, self.heads, self.head_dim, self.v_head_dim)
        return AttentionShape(self.heads, self.kv_heads, self.head_dim, self.v_head_dim or self.head_dim)

    @property
    def prompt_core(self) -> AttentionShape:
        """The same in prefill, where latent attention expands keys and values for every head."""
        if self.kind == "mla":
            return AttentionShape(self.heads, self.heads, self.head_dim, self.v_head_dim)
        return self.core

    @property
    def kv_values_per_token(self) -> int:
        """Numbers that one token adds to one layer's cache, without its index key."""
        return 0 if self.kind == "linear" else self.core.values_per_key

    @property
    def index_values_per_token(self) -> int:
        return self.index_dim if self.index_heads else 0

    @property
    def state_values(self) -> int:
        """Numbers that one sequence keeps in a layer, however long it is."""
        if self.kind != "linear":
            return 0
        inputs = 2 * self.key_heads * self.head_dim + self.heads * self.v_head_dim
        return self.heads * self.head_dim * self.v_head_dim + max(self.conv_kernel - 1, 0) * inputs

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

    def kept_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """Of how many of `context_tokens` each `layer` keeps keys and values: all, or a sliding window of them
        (broadcast)."""
        layers, context = np.broadcast_arrays(np.asarray(layer, dtype=np.int64), np.asarray(context_tokens, np.int64))
        if self.sliding_window is None:
            return context
        return np.where(np.isin(layers, self.sliding_layers), np.minimum(context, self.sliding_window), context)

    def attended_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """How many of `context_tokens` each `layer` looks back on: those kept, or those that an index selects."""
        kept = self.kept_tokens(layer, context_tokens)
        return np.minimum(kept, self.index_topk) if self.index_topk else kept


OtherAttention = tuple[tuple[Attention, tuple[int, ...]], ...]
"""Shapes, and the layers that have them."""


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
    native_bits: int
    """Bits per routed weight as the model is published to be served: 16 unless it is quantized."""
    source: str = field(compare=False)
    encoder_layers: int = 0
    """The first this many layers are an encoder; those after them also have cross-attention."""
    other_attention: OtherAttention = ()
    """Of the layers that have another than `attention`."""
    checkpoint: Checkpoint = field(default=Checkpoint(), compare=False)
    """How it is stored; an experiment may run it otherwise."""

    @property
    def router_products(self) -> tuple[tuple[int, int], ...]:
        """(inner, columns) of a layer's router and, where experts work on a latent of their own width (Nemotron 3), of
        the products into and out of it."""
        latent = self.expert.hidden if self.expert.hidden != self.hidden else 0
        router = self.hidden, self.routed_experts + latent
        return (router, (latent, self.hidden)) if latent else (router,)

    @property
    def router_weights(self) -> int:
        return sum(inner * columns for inner, columns in self.router_products)

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
        """All layers alike, over all keys that are kept."""
        return not self.other_attention and not self.attention.index_topk and self.attention.kind != "linear"

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
        if self.encoder_layers:
            return 4 * (self.layers - self.encoder_layers) * self.attention.kv_values_per_token
        return 2 * sum(each.kv_values_per_token + each.index_values_per_token for each in self.attention_by_layer)

    def kept_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """As `Attention.kept_tokens`, by each layer's attention (broadcast)."""
        return self._by_attention(layer, context_tokens, Attention.kept_tokens)

    def attended_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """As `Attention.attended_tokens`, by each layer's attention (broadcast)."""
        return self._by_attention(layer, context_tokens, Attention.attended_tokens)

    def layers_with(self, attention: Attention) -> NDArray[np.int64]:
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
            (self.top_k <= self.routed_experts, "top_k", self.top_k, f"at most {self.routed_experts} routed experts"),
            (bool(self.moe_layers), "moe_layers", Plain("none"), "at least one layer with experts"),
            (
                self.attention.heads % self.attention.kv_heads == 0,
                "kv_heads",
                self.attention.kv_heads,
                f"a divisor of {self.attention.heads} heads",
            ),
            (
                len(self.moe_layers) == self.layers or self.dense_intermediate > 0 or self.other_attention != (),
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
