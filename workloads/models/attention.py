"""How the layers of a model attend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.shapes import AttentionShape

AttentionKind = Literal["gqa", "mla", "linear"]


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
    """``linear`` only: decay and rate of a delta rule; Mamba-2 has one, lightning attention none."""
    decay_rank: int = 0
    """``linear`` only; above 0 every channel of the keys decays on its own (Kimi delta attention, arXiv 2510.26692, 3),
    by a product of this rank, and `numbers_per_head` are those beside."""
    gate_rank: int = 0
    """``linear`` only: of the product that gates what is attended; 0: full."""
    time_rank: int = 0
    """``linear`` only; above 0 it is Mamba-1 (arXiv 2312.00752, 3.2): `heads` channels of one value, a state of
    `head_dim` numbers each; what writes and reads it comes from the channels, as do their steps, over this rank."""
    index_heads: int = 0
    index_dim: int = 0
    index_topk: int = 0
    gated: bool = False
    """Not ``linear``: one more projection gates the attended values; as wide as they, with ``gqa`` as the queries."""
    sliding_window: int | None = None
    """Tokens that the layers in `sliding_layers` look back on; None: no layer slides."""
    sliding_layers: tuple[int, ...] = ()

    def validate(self, where: object, field: str = "") -> None:
        """Raise `InputError` for numbers that contradict one another; `field` is what `where` calls it."""
        before = f"{field}." if field else ""
        checks = (
            (self.heads % self.kv_heads == 0, "kv_heads", self.kv_heads, f"a divisor of {self.heads} heads"),
            (
                self.key_heads == 0 or self.heads % self.key_heads == 0,
                "key_heads",
                self.key_heads,
                f"a divisor of {self.heads} heads",
            ),
            (
                not self.index_heads or (self.index_dim > 0 and self.index_topk > 0),
                "index_heads",
                self.index_heads,
                "none without an index_dim and an index_topk",
            ),
            (
                self.kind != "mla" or not self.index_heads or self.q_lora_rank > 0,
                "q_lora_rank",
                Plain("nothing"),
                "a rank, as the index takes compressed queries",
            ),
        )
        for holds, name, found, allowed in checks:
            if not holds:
                raise InputError(where, f"{before}{name}", found, allowed)

    def projections(self, hidden: int) -> tuple[tuple[int, int], ...]:
        """(inner, columns) of the matrix products around the scores of one layer, as kernels fuse them: those of one
        input are one product."""
        queries = self.heads * self.head_dim
        if self.time_rank:  # channels and their gate; what writes, what reads, steps
            shared = 2 * self.key_heads * self.head_dim
            inner = (self.heads, self.time_rank + shared), (self.time_rank, self.heads)
            return (hidden, 2 * self.heads), *inner, (self.heads, hidden)
        if self.kind == "linear":  # queries, keys, values, their gate, and numbers a head
            keys, values = self.key_heads * self.head_dim, self.heads * self.v_head_dim
            numbers = self.numbers_per_head * self.heads + self.decay_rank
            first = hidden, 2 * keys + values + (self.gate_rank or values) + numbers
            ranks = ((self.decay_rank, keys), (self.gate_rank, values))
            return first, *(product for product in ranks if product[0]), (values, hidden)
        if self.kind == "gqa":
            value_dim = self.core.value_dim
            inputs = (1 + self.gated) * queries + self.kv_heads * (self.head_dim + value_dim)
            inputs += (self.index_heads + (self.index_heads > 0)) * self.index_dim
            return (hidden, inputs), (self.heads * value_dim, hidden)
        latent = self.kv_lora_rank + self.qk_rope_head_dim + self.gated * self.heads * self.v_head_dim
        expand = self.kv_lora_rank, self.heads * (self.qk_nope_head_dim + self.v_head_dim)
        output = self.heads * self.v_head_dim, hidden
        if self.index_heads:  # index queries from the compressed ones; an index key and the heads' weights
            indexed = self.index_heads * self.index_dim
            latent += self.index_dim + self.index_heads
            return (hidden, self.q_lora_rank + latent), (self.q_lora_rank, queries + indexed), expand, output
        if self.q_lora_rank:
            return (hidden, self.q_lora_rank + latent), (self.q_lora_rank, queries), expand, output
        return (hidden, queries + latent), expand, output

    def cross_products(self, hidden: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """(inner, columns) of the products of cross-attention (``gqa``): of the decoder's tokens (queries and output),
        and of what the encoder gives (keys and values)."""
        values = self.core.value_dim
        queries = (hidden, self.heads * self.head_dim), (self.heads * values, hidden)
        return queries, ((hidden, self.kv_heads * (self.head_dim + values)),)

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
        """Numbers that the cache holds of a token for the index, beside its keys and values."""
        return self.index_dim if self.index_heads else 0

    @property
    def state_values(self) -> int:
        """Numbers that one sequence keeps in a layer, however long it is."""
        if self.kind != "linear":
            return 0
        inputs = self.heads * self.v_head_dim + (0 if self.time_rank else 2 * self.key_heads * self.head_dim)
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

    def prompt_query_bytes(self, bytes_per_value: int = 2) -> tuple[int, int]:
        """Bytes per token of a prompt to whoever attends to it in the prefill, beside what the cache keeps, and back,
        one layer: queries, and the keys and values that latent attention expands; attended values.
        """
        core = self.prompt_core
        expanded = self.heads * (self.qk_nope_head_dim + self.v_head_dim) if self.kind == "mla" else 0
        there = self.heads * core.key_dim + expanded
        return bytes_per_value * there, bytes_per_value * self.heads * core.value_dim

    def kept_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """Of how many of `context_tokens` each `layer` keeps keys and values: all, or a sliding window of them
        (broadcast)."""
        layers, context = np.broadcast_arrays(np.asarray(layer, dtype=np.int64), np.asarray(context_tokens, np.int64))
        if self.sliding_window is None:
            return context
        return np.where(np.isin(layers, self.sliding_layers), np.minimum(context, self.sliding_window), context)

    def attended_tokens(self, layer: ArrayLike, context_tokens: ArrayLike) -> NDArray[np.int64]:
        """How many of `context_tokens` each `layer` looks back on: those kept, or those that an index selects.
        Arguments broadcast.
        """
        kept = self.kept_tokens(layer, context_tokens)
        return np.minimum(kept, self.index_topk) if self.index_topk else kept


OtherAttention = tuple[tuple[Attention, tuple[int, ...]], ...]
"""Shapes, and the layers that have them."""
