"""Layers that attend in more than one way: parameters, and the cache's traffic of a decode step, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from tests.workloads.models.test_model_families import ATTENTION, COMMON, TABLES, read

PROMPT = 600
ROUTING = {"source": "generator", "preset": "mixtral-8x7b"}
EXPERTS = 64 * 8 + 3 * 64 * 8 * 32
"""Router and experts of a layer."""
GATED = ATTENTION + 64 * 64
LATENT = {"q_lora_rank": 24, "kv_lora_rank": 20, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 10}
MLA = 64 * 24 + 24 * 64 + 64 * 24 + 20 * 4 * (12 + 10) + 4 * 10 * 64
INDEX = {"index_n_heads": 2, "index_head_dim": 6, "index_topk": 100}
DSA = COMMON | LATENT | INDEX | {"n_routed_experts": 8, "first_k_dense_replace": 0}

LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 6}
DELTA = 64 * (2 * 2 * 8 + 2 * 4 * 6 + 2 * 4) + 4 * 6 * 64
DELTA_STATE = 4 * 8 * 6 + 3 * (2 * 2 * 8 + 4 * 6)

MAMBA = {"mamba_num_heads": 4, "mamba_head_dim": 6, "ssm_state_size": 8, "n_groups": 2, "conv_kernel": 4}
MAMBA2 = 64 * (2 * 2 * 8 + 2 * 4 * 6 + 4) + 4 * 6 * 64

GEMMA_KINDS = ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"]
MIMO = {
    "v_head_dim": 12,
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 4,
    "swa_head_dim": 16,
    "swa_v_head_dim": 12,
}


@pytest.mark.parametrize(
    ("fields", "params", "values"),
    [
        (
            DSA | {"model_type": "deepseek_v32"},
            4 * (MLA + 24 * 12 + 64 * 6 + 64 * 2 + EXPERTS),
            # written in prefill; the index keys and those selected; the step's own
            4 * (PROMPT * 30 + (PROMPT * 6 + 99 * 24) + 30),
        ),
        (
            DSA | {"model_type": "glm_moe_dsa", "indexer_types": ["full", "shared", "shared", "shared"]},
            4 * (MLA + EXPERTS) + 24 * 12 + 64 * 6 + 64 * 2,
            4 * (PROMPT * 24 + 99 * 24 + 24) + (2 * PROMPT + 1) * 6,
        ),
        (
            COMMON | LINEAR | {"model_type": "qwen3_next", "num_experts": 8, "shared_expert_intermediate_size": 0},
            3 * DELTA + GATED + 4 * EXPERTS,
            # a state is written after the prompt, read and written in the step
            3 * 3 * DELTA_STATE + (2 * PROMPT + 1) * 2 * 2 * 16,
        ),
        (
            COMMON | {"model_type": "gemma4_text", "num_experts": 8, "top_k_experts": 2, "enable_moe_block": True}
            | {"global_head_dim": 32, "num_global_key_value_heads": 1, "sliding_window": 100}
            | {"layer_types": GEMMA_KINDS},
            -100 * 64  # tied
            + 3 * ATTENTION + 64 * (4 * 32 + 2 * 32) + 4 * 32 * 64 + 4 * (EXPERTS + 3 * 64 * 96),
            3 * (100 + 99 + 1) * 2 * 2 * 16 + (2 * PROMPT + 1) * 2 * 32,
        ),
        (
            COMMON | MIMO | {"model_type": "mimo_v2_flash", "n_routed_experts": 8, "hybrid_layer_pattern": [0, 1, 1, 1]}
            | {"moe_layer_freq": [1] * 4, "sliding_window": 100},
            64 * (64 + 2 * 28) + 48 * 64 + 3 * (64 * (64 + 4 * 28) + 48 * 64) + 4 * EXPERTS,
            (2 * PROMPT + 1) * 2 * 28 + 3 * 200 * 4 * 28,
        ),
        (
            COMMON | MAMBA | {"model_type": "nemotron_h", "hybrid_override_pattern": "MEM*EME", "n_routed_experts": 8}
            | {"moe_shared_expert_intermediate_size": 0},
            3 * MAMBA2 + ATTENTION + 3 * (64 * 8 + 2 * 64 * 8 * 32),
            3 * 3 * (4 * 8 * 6 + 3 * (2 * 2 * 8 + 4 * 6)) + (2 * PROMPT + 1) * 2 * 2 * 16,
        ),
        (
            COMMON | {"model_type": "minimax_m3", "num_local_experts": 8, "dense_intermediate_size": 96}
            | {"moe_layer_freq": [0, 1, 1, 1], "sparse_attention_config": {
                "sparse_topk_blocks": 5, "sparse_block_size": 20, "sparse_num_index_heads": 2, "sparse_index_dim": 6,
                "sparse_attention_freq": [0, 1, 1, 1]}},
            4 * ATTENTION + 3 * 64 * 3 * 6 + 3 * EXPERTS + 3 * 64 * 96,
            (2 * PROMPT + 1) * 64 + 3 * (PROMPT * 70 + PROMPT * 6 + 99 * 64 + 70),
        ),
    ],
    ids=["index", "shared index", "linear", "two sizes of heads", "two windows", "mamba", "blocks"],
)  # fmt: skip
def test_parameters_and_cache_traffic_by_hand(tmp_path: Path, fields: dict[str, Any], params: int, values: int) -> None:
    assert read(tmp_path, fields).total_params == TABLES + params
    changes = {"model": str(tmp_path / "config.json"), "workload.output_tokens": 2, "workload.batch": 3}
    changes |= {
        "workload.prompt_tokens": PROMPT,
        "routing": ROUTING,
        "quantization.expert_format": "fp16",
    }
    result = run(load_experiment("all-on-gpu-mixtral-8x7b-int4", changes))
    assert result.traffic["kv"].memory_bytes == 3 * 2 * values


def test_experts_on_a_latent(tmp_path: Path) -> None:
    words = ["mamba", "moe", "attention", "moe"]
    data = COMMON | MAMBA | {"model_type": "nemotron_h", "layers_block_type": words, "n_routed_experts": 8}
    model = read(tmp_path, data | {"moe_shared_expert_intermediate_size": 40, "moe_latent_size": 16})
    sparse = 64 * 8 + 2 * 64 * 16 + 2 * 16 * 8 * 32 + 2 * 64 * 40
    assert model.total_params == TABLES + MAMBA2 + ATTENTION + 2 * sparse


def test_caches_near_data_hold_keys_and_values_of_every_token(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DSA | {"model_type": "deepseek_v32"}))
    changes = {"model": str(tmp_path / "config.json"), "kv_cache": "near-data", "routing": ROUTING}
    with pytest.raises(InputError, match="kv_cache: found 'near-data'; allowed: gpu"):
        run(load_experiment("monde-mixtral-8x7b", changes))
