"""Headers of ``.gguf`` files by their bytes, as llama.cpp would write them of a model."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from moe_cosim.workloads.models import Model

F16, Q4_K, Q6_K = 1, 12, 14
Listed = Sequence[tuple[str, tuple[int, ...], int]]
"""Name, shape (what lies together first) and type of tensors."""


def gguf_bytes(keys: Mapping[str, Any], tensors: Listed) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    entries = b"".join(text(name) + value(found) for name, found in keys.items())
    listed = b"".join(
        text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0) for name, shape, kind in tensors
    )
    return head + entries + listed


def text(found: str) -> bytes:
    return struct.pack("<Q", len(found.encode())) + found.encode()


def value(found: Any) -> bytes:
    if isinstance(found, bool):
        return struct.pack("<I?", 7, found)
    if isinstance(found, int):
        return struct.pack("<II", 4, found)
    if isinstance(found, str):
        return struct.pack("<I", 8) + text(found)
    if found and isinstance(found[0], str):
        return struct.pack("<IIQ", 9, 8, len(found)) + b"".join(map(text, found))
    return struct.pack(f"<IIQ{len(found)}I", 9, 4, len(found), *found)


def keys_of(model: Model, architecture: str) -> dict[str, Any]:
    """As convert_hf_to_gguf.py writes them."""
    attention = model.attention
    found: dict[str, Any] = {
        "block_count": model.layers,
        "context_length": model.context_length or 0,
        "embedding_length": model.hidden,
        "expert_count": model.routed_experts,
        "expert_used_count": model.top_k,
        "attention.head_count": attention.heads,
    }
    if attention.kind == "mla":
        found |= {
            "attention.head_count_kv": 1,
            "attention.kv_lora_rank": attention.kv_lora_rank,
            "attention.key_length": attention.kv_lora_rank + attention.qk_rope_head_dim,
            "attention.value_length": attention.kv_lora_rank,
            "attention.key_length_mla": attention.head_dim,
            "attention.value_length_mla": attention.v_head_dim,
            "rope.dimension_count": attention.qk_rope_head_dim,
        }
        if attention.q_lora_rank:
            found["attention.q_lora_rank"] = attention.q_lora_rank
    else:
        found |= {"attention.head_count_kv": attention.kv_heads, "attention.key_length": attention.head_dim}
    if attention.sliding_window:
        found["attention.sliding_window"] = attention.sliding_window
    if model.router_score == "sigmoid-bias":
        found |= {"expert_gating_func": 2, "expert_weights_norm": model.norm_topk_prob}
    return {
        "general.architecture": architecture,
        **{f"{architecture}.{name}": number for name, number in found.items()},
        "tokenizer.ggml.tokens": ["<s>", "a"],
        "tokenizer.ggml.scores": [0] * 5000,
    }


def tensors_of(model: Model, experts: int = F16, others: int = F16) -> list[tuple[str, tuple[int, ...], int]]:
    """Of types `experts`, and `others` for the rest; what no size is read from is left out."""
    hidden, found = model.hidden, [("token_embd.weight", (model.hidden, model.vocab), others)]
    if not model.tied_embeddings:
        found.append(("output.weight", (hidden, model.vocab), others))
    count, width = model.routed_experts, model.expert.intermediate
    for layer in range(model.layers):
        blocks: dict[str, tuple[tuple[int, ...], int]] = {"attn_output": ((hidden, hidden), others)}
        if layer in model.moe_layers:
            blocks["ffn_gate_inp"] = (hidden, count), 0
            for name in ("ffn_gate_exps", "ffn_up_exps"):
                blocks[name] = (hidden, width, count), experts
            blocks["ffn_down_exps"] = (width, hidden, count), experts
            if model.shared_intermediate:
                blocks["ffn_up_shexp"] = (hidden, model.shared_intermediate), others
        else:
            blocks["ffn_up"] = (hidden, model.dense_intermediate), others
        found += [(f"blk.{layer}.{name}.weight", shape, kind) for name, (shape, kind) in blocks.items()]
        if layer in model.moe_layers and model.router_score == "sigmoid-bias":
            found.append((f"blk.{layer}.exp_probs_b.bias", (count,), 0))
    return found
