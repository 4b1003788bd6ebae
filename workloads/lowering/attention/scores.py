"""Times of attention between the projections."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.units.base import UnitModel
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints


def scores_ps(scene: Scene, sequences: int, layer: Ints, context: Ints, queries: int, verified: int = 1) -> Ints:
    """[cells] Time of the attention of `queries` new tokens a sequence on `context` keys; of a prompt's tokens on half
    of them on average (causal). One query in decode may stand for several `verified` tokens side by side.

    A linear layer multiplies every token with its state, as much work as attention to as many keys as a key is wide.
    An index scores all keys.
    """
    model, found = scene.model, np.zeros(len(layer), dtype=np.int64)
    share = 2 if queries > 1 else 1
    for attention in model.attentions:
        core = attention.prompt_core if queries > 1 else attention.core.of_queries(verified)
        seen = (attention.attended_tokens(layer, context - verified + 1) + verified - 1) / share
        if attention.kind == "linear":
            seen = np.full(len(layer), attention.head_dim)
        own = np.asarray(scene.gpu_model.attention_ps(sequences, queries, seen, core))
        if attention.index_heads:
            rows, keys = queries * verified * attention.index_heads, sequences * (context // share)
            own = own + scene.gpu_model.dense_ps(rows, attention.index_dim, keys, scene.formats.kv)
        found = np.where(np.isin(layer, model.layers_with(attention)), own, found)
    return found


def prompt_rows_ps(scene: Scene, model: UnitModel, sequences: int, layer: Ints) -> Ints:
    """[cells] Time of a prompt's attention on a unit that runs it as products of matrices: the queries of all heads
    that share keys and values are their rows. Tokens attend to half of the prompt on average (causal)."""
    attention, tokens = scene.model.attention, scene.workload.prompt_tokens
    core = attention.prompt_core
    keys = sequences * attention.attended_tokens(layer, tokens) / 2
    return np.asarray(model.dense_ps(tokens * core.heads // core.kv_heads, keys, core.values_per_key, scene.formats.kv))
