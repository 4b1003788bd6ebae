"""What a model is made of: every weight matrix, how often there is one, and how many a token uses."""

from __future__ import annotations

from dataclasses import dataclass

from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.model import Model


@dataclass(frozen=True)
class Part:
    """Equal matrices of `rows` x `columns`: what they take in by what they give out."""

    block: str
    """``embedding``, ``attention``, ``router``, ``expert``, ``shared experts``, ``dense FFN`` or ``head``."""
    name: str
    rows: int
    columns: int
    layers: int
    """How many layers have it."""
    per_layer: int
    """How many each of those layers has."""
    active_per_layer: int
    """How many of those one token uses."""

    @property
    def params(self) -> int:
        """Number of weights of all of them."""
        return self.rows * self.columns * self.layers * self.per_layer

    @property
    def active_params(self) -> int:
        """Number of weights of those that one token uses."""
        return self.rows * self.columns * self.layers * self.active_per_layer


def parts(model: Model) -> list[Part]:
    """In the order in which a token meets them. The sums are `Model.total_params` and `Model.active_params`; a head
    that is the embedding table is no part."""
    hidden, sparse = model.hidden, len(model.moe_layers)
    found = [Part("embedding", "table", model.vocab, hidden, 1, 1, 1)]
    for attention in model.attentions:
        block = "linear attention" if attention.kind == "linear" else "attention"
        found += _attention(block, attention, hidden, model.attention_by_layer.count(attention))
    if model.encoder_layers:
        found += _attention("cross-attention", model.attention, hidden, model.layers - model.encoder_layers)
    found.append(Part("router", "gate", hidden, model.router_experts, sparse, 1, 1))
    width, matrices, latent = model.expert.intermediate, model.expert.matrices, model.expert.hidden
    if latent != hidden:
        found.append(Part("router", "into latent", hidden, latent, sparse, 1, 1))
        found.append(Part("router", "out of latent", latent, hidden, sparse, 1, 1))
    found += _feed_forward("expert", latent, width, matrices, sparse, model.routed_experts, model.active_experts)
    if model.shared_intermediate:
        found += _feed_forward("shared experts", hidden, model.shared_intermediate, matrices, sparse, 1, 1)
    if model.layers > sparse and model.dense_intermediate:
        found += _feed_forward("dense FFN", hidden, model.dense_intermediate, matrices, model.layers - sparse, 1, 1)
    if not model.tied_embeddings:
        found.append(Part("head", "table", hidden, model.vocab, 1, 1, 1))
    return found


def _attention(block: str, attention: Attention, hidden: int, layers: int) -> list[Part]:
    """The projections of DeepSeek-V2 (arXiv 2405.04434, 2.1) for ``mla``, else query, key, value and output."""
    queries = attention.heads * attention.head_dim
    if attention.kind == "linear":
        if attention.time_rank:
            return _mamba_1(block, attention, hidden, layers)
        keys, values = attention.key_heads * attention.head_dim, attention.heads * attention.v_head_dim
        shapes = {
            "query": (hidden, keys),
            "key": (hidden, keys),
            "value": (hidden, values),
            "gate": (hidden, attention.gate_rank or values),
            "output": (values, hidden),
        }
        if attention.gate_rank:
            shapes["gate up"] = attention.gate_rank, values
        if attention.decay_rank:
            shapes |= {"decay": (hidden, attention.decay_rank), "decay up": (attention.decay_rank, keys)}
        if attention.numbers_per_head:
            shapes["numbers per head"] = hidden, attention.numbers_per_head * attention.heads
    elif attention.kind == "gqa":
        value_dim = attention.core.value_dim
        shapes = {
            "query": (hidden, queries),
            "key": (hidden, attention.kv_heads * attention.head_dim),
            "value": (hidden, attention.kv_heads * value_dim),
            "output": (attention.heads * value_dim, hidden),
        }
        if attention.index_heads:
            shapes |= {
                "index query": (hidden, attention.index_heads * attention.index_dim),
                "index key": (hidden, attention.index_dim),
            }
        if attention.gated:
            shapes["gate"] = (hidden, queries)
    else:
        shapes = {"query": (hidden, queries)}
        if attention.q_lora_rank:
            shapes = {"query down": (hidden, attention.q_lora_rank), "query up": (attention.q_lora_rank, queries)}
        values = attention.heads * attention.v_head_dim
        shapes |= {
            "key and value down": (hidden, attention.kv_lora_rank + attention.qk_rope_head_dim),
            "key and value up": (attention.kv_lora_rank, attention.heads * attention.qk_nope_head_dim + values),
            "output": (values, hidden),
        }
        if attention.gated:
            shapes["gate"] = hidden, values
        if attention.index_heads:
            shapes |= {
                "index query": (attention.q_lora_rank, attention.index_heads * attention.index_dim),
                "index key": (hidden, attention.index_dim),
                "index weights": (hidden, attention.index_heads),
            }
    return [Part(block, name, rows, columns, layers, 1, 1) for name, (rows, columns) in shapes.items()]


def _mamba_1(block: str, attention: Attention, hidden: int, layers: int) -> list[Part]:
    channels, rank = attention.heads, attention.time_rank
    shapes = {
        "channels": (hidden, channels),
        "gate": (hidden, channels),
        "write and read": (channels, 2 * attention.key_heads * attention.head_dim),
        "step down": (channels, rank),
        "step up": (rank, channels),
        "output": (channels, hidden),
    }
    return [Part(block, name, rows, columns, layers, 1, 1) for name, (rows, columns) in shapes.items()]


def _feed_forward(
    block: str, hidden: int, width: int, matrices: int, layers: int, each: int, active: int
) -> list[Part]:
    names = ("gate", "up") if matrices == 3 else ("up",)
    into = [Part(block, name, hidden, width, layers, each, active) for name in names]
    return [*into, Part(block, "down", width, hidden, layers, each, active)]
