"""Weights, states, and keys and values that one decode step reads and writes, by hand, for each kind of attention.

One sequence, so that every layer asks for as many experts as a token has. Cross-attention: `test_encoder_decoder`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from tests.workloads.models.test_hybrid_families import (
    DELTA,
    DELTA_STATE,
    DSA,
    GATED,
    GEMMA_KINDS,
    LATENT,
    LINEAR,
    MAMBA,
    MAMBA2,
    MIMO,
    MLA,
)
from tests.workloads.models.test_model_families import ATTENTION, COMMON

PROMPT = 600
BEFORE = PROMPT + 1
"""Tokens in the cache when the second decode step begins."""
KEYS = 2 * 2 * 16
"""Numbers of a token in a grouped-query layer."""
SPARSE = 64 * 8 + 2 * 3 * 64 * 32
"""Router and the experts of a token of a layer."""
ENDS = 64 + 64 * 100
"""A row of the embedding, and the head."""
MIXTRAL = COMMON | {"model_type": "mixtral", "num_local_experts": 8, "intermediate_size": 32}
JAMBA = COMMON | {"model_type": "jamba", "num_experts": 8, "intermediate_size": 32, "attn_layer_offset": 3}
JAMBA |= {"attn_layer_period": 4, "mamba_d_state": 6, "mamba_dt_rank": 5}
MAMBA1 = 64 * 2 * 128 + 128 * (5 + 2 * 6) + 5 * 128 + 128 * 64
KIMI = COMMON | LATENT | {"model_type": "kimi_linear", "num_experts": 8, "first_k_dense_replace": 0}
KIMI |= {"num_experts_per_token": 2, "mla_use_output_gate": True}
KIMI["linear_attn_config"] = {"kda_layers": [1, 2, 3], "num_heads": 4, "head_dim": 6}
LIGHTNING = MIXTRAL | {"model_type": "minimax", "attn_type_list": [0, 0, 0, 1]}

KINDS: dict[str, tuple[dict[str, Any], int, int]] = {
    "grouped queries": (MIXTRAL, 4 * (ATTENTION + SPARSE), 4 * (BEFORE + 1) * KEYS),
    "a window": (MIXTRAL | {"sliding_window": 100}, 4 * (ATTENTION + SPARSE), 4 * (99 + 1) * KEYS),
    "latent": (
        COMMON | LATENT | {"model_type": "deepseek_v2", "n_routed_experts": 8, "first_k_dense_replace": 0},
        4 * (MLA + SPARSE),
        4 * (BEFORE + 1) * (20 + 4),
    ),
    "an index": (
        DSA | {"model_type": "deepseek_v32"},
        4 * (MLA + 24 * 12 + 64 * 6 + 64 * 2 + SPARSE),
        4 * ((BEFORE + 1) * 6 + (99 + 1) * 24),
    ),
    "an index for several layers": (
        DSA | {"model_type": "glm_moe_dsa", "indexer_types": ["full", "shared", "shared", "shared"]},
        4 * (MLA + SPARSE) + 24 * 12 + 64 * 6 + 64 * 2,
        (BEFORE + 1) * 6 + 4 * (99 + 1) * 24,
    ),
    "linear": (
        COMMON | LINEAR | {"model_type": "qwen3_next", "num_experts": 8, "shared_expert_intermediate_size": 0},
        3 * DELTA + GATED + 4 * SPARSE,
        3 * 2 * DELTA_STATE + (BEFORE + 1) * KEYS,
    ),
    "kimi delta": (
        KIMI,
        3 * (64 * (3 * 24 + 2 * 6 + 4) + 2 * 6 * 24 + 24 * 64) + MLA + 64 * 4 * 10 + 4 * SPARSE,
        3 * 2 * (4 * 6 * 6 + 3 * 3 * 24) + (BEFORE + 1) * (20 + 4),
    ),
    "lightning": (
        LIGHTNING,
        3 * (64 * 4 * 64 + 64 * 64) + ATTENTION + 4 * SPARSE,
        3 * 2 * 4 * 16 * 16 + (BEFORE + 1) * KEYS,
    ),
    "mamba-2": (
        COMMON | MAMBA | {"model_type": "nemotron_h", "hybrid_override_pattern": "MEMEM*E", "n_routed_experts": 8}
        | {"moe_shared_expert_intermediate_size": 0},
        3 * MAMBA2 + ATTENTION + 3 * (64 * 8 + 2 * 2 * 64 * 32),
        3 * 2 * (4 * 8 * 6 + 3 * (2 * 2 * 8 + 4 * 6)) + (BEFORE + 1) * KEYS,
    ),
    "mamba-1": (
        JAMBA,  # experts in every second layer
        3 * MAMBA1 + ATTENTION + 2 * SPARSE + 2 * 3 * 64 * 32,
        3 * 2 * (128 * 6 + 3 * 128) + (BEFORE + 1) * KEYS,
    ),
    "heads of two sizes": (
        COMMON | {"model_type": "gemma4_text", "num_experts": 8, "top_k_experts": 2, "enable_moe_block": True}
        | {"global_head_dim": 32, "num_global_key_value_heads": 1, "sliding_window": 100, "layer_types": GEMMA_KINDS},
        3 * ATTENTION + 64 * (4 * 32 + 2 * 32) + 4 * 32 * 64 + 4 * (SPARSE + 3 * 64 * 96),
        3 * (99 + 1) * KEYS + (BEFORE + 1) * 2 * 32,
    ),
    "two windows": (
        COMMON | MIMO | {"model_type": "mimo_v2_flash", "n_routed_experts": 8, "hybrid_layer_pattern": [0, 1, 1, 1]}
        | {"moe_layer_freq": [1] * 4, "sliding_window": 100},
        64 * (64 + 2 * 28) + 48 * 64 + 3 * (64 * (64 + 4 * 28) + 48 * 64) + 4 * SPARSE,
        (BEFORE + 1) * 2 * 28 + 3 * (99 + 1) * 4 * 28,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_a_decode_step(tmp_path: Path, kind: str) -> None:
    fields, weights, values = KINDS[kind]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields))

    def moved(output: int) -> tuple[int, int]:
        changes = {"model": str(path), "workload": {"batch": 1, "prompt_tokens": PROMPT, "output_tokens": output}}
        changes |= {"routing": {"source": "generator", "preset": "mixtral-8x7b"}, "quantization.expert_format": "fp16"}
        traffic = run(load_experiment("all-on-gpu-mixtral-8x7b-int4", changes)).traffic
        return traffic["weights"].memory_bytes, traffic["kv"].memory_bytes

    of_step = [three - two for three, two in zip(moved(3), moved(2), strict=True)]
    assert of_step == [2 * (ENDS + weights), 2 * values]


def test_bytes_follow_the_precision_of_each_part(tmp_path: Path) -> None:
    """Experts at 4 bits in groups of 32, attention at 8, keys and values at 8, the head at 4."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(MIXTRAL))

    def moved(output: int) -> tuple[int, int]:
        changes: dict[str, Any] = {"model": str(path)}
        changes["workload"] = {"batch": 1, "prompt_tokens": PROMPT, "output_tokens": output}
        changes["routing"] = {"source": "generator", "preset": "mixtral-8x7b"}
        changes["quantization"] = {
            "expert_format": "mxfp4", "attention_format": "fp8", "kv_format": "fp8", "head_format": "mxfp4"
        }  # fmt: skip
        traffic = run(load_experiment("all-on-gpu-mixtral-8x7b-int4", changes)).traffic
        return traffic["weights"].memory_bytes, traffic["kv"].memory_bytes

    weights, kv = (three - two for three, two in zip(moved(3), moved(2), strict=True))
    four_bits = 17 / 32
    by_layer = ATTENTION + 2 * 64 * 8 + 2 * 3 * 64 * 32 * four_bits
    assert weights == 4 * by_layer + 2 * 64 + 64 * 100 * four_bits
    assert kv == 4 * (BEFORE + 1) * KEYS
