"""Random checkpoints of every family, small enough for a test, written by transformers itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_COMMON: Final = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MLA: Final = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
}
_DEEPSEEK: Final = {
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}
_QWEN: Final = {"intermediate_size": 96, "moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2}
TINY: Final[dict[str, dict[str, Any]]] = {
    "mixtral": {"intermediate_size": 96, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {**_QWEN, "shared_expert_intermediate_size": 48},
    "qwen3_moe": {**_QWEN, "head_dim": 16, "mlp_only_layers": []},
    "deepseek_v2": {**_DEEPSEEK, **_MLA, "n_routed_experts": 4, "q_lora_rank": None, "topk_method": "greedy"},
    "deepseek_v3": {**_DEEPSEEK, **_MLA, "n_routed_experts": 8, "q_lora_rank": 16, "n_group": 2, "topk_group": 1},
    "olmoe": {"intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": {"intermediate_size": 32, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16},
}
"""Fields of the configuration by ``model_type``."""


def tiny_model(model_type: str, seed: int = 0) -> Any:
    """A transformers model of random 16-bit weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(model_type, **{**_COMMON, **TINY[model_type]})
    return AutoModelForCausalLM.from_config(config).to(torch.bfloat16).eval()


def save(model: Any, folder: Path, shard: str = "5GB") -> Path:
    """As transformers writes it."""
    model.save_pretrained(folder, max_shard_size=shard)
    return folder
