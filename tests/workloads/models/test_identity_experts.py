"""Experts that give a token back: chosen by the router, and nobody's work (LongCat-Flash, arXiv 2509.01322, 2.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.run import run
from moe_cosim.testing.policy.contract import check
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.scenario import draw
from tests.workloads.models.test_hybrid_families import LATENT, MLA
from tests.workloads.models.test_model_families import read
from tests.workloads.policies.test_asked_costs import of_each_policy

LONGCAT: dict[str, Any] = LATENT | {
    "model_type": "longcat_flash",
    "hidden_size": 64,
    "num_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "ffn_hidden_size": 96,
    "expert_ffn_hidden_size": 32,
    "n_routed_experts": 8,
    "zero_expert_num": 4,
    "moe_topk": 3,
}
EXPERT = 3 * 64 * 32
BATCH, PROMPT, OUTPUT = 2, 6, 4


def experiment(folder: Path, base: Experiment | str, **changes: Any) -> Experiment:
    (folder / "config.json").write_text(json.dumps(LONGCAT))
    own = {
        "model": str(folder / "config.json"),
        "routing": {"source": "generator", "preset": "mixtral-8x7b"},
        "workload": {"batch": BATCH, "prompt_tokens": PROMPT, "output_tokens": OUTPUT},
        "quantization.expert_format": "fp16",
        "kv_cache": "gpu",
    }
    return load_experiment(base, own | changes)


def test_a_layer_of_the_file_is_two_with_one_set_of_experts(tmp_path: Path) -> None:
    model = read(tmp_path, LONGCAT)
    sparse, dense = 64 * 12 + 8 * EXPERT + 3 * 64 * 96, 3 * 64 * 96
    assert model.total_params == 2 * 100 * 64 + 4 * MLA + 2 * sparse + 2 * dense
    assert (model.layers, model.moe_layers, model.active_experts) == (4, (0, 2), 2)  # 3 * 8 / 12
    assert model.active_params == model.total_params - 2 * 6 * EXPERT


def test_nobody_is_asked_for_them(tmp_path: Path) -> None:
    demand = draw(experiment(tmp_path, "monde-mixtral-8x7b")).demand
    assert demand.num_experts == 8
    rows = demand.rows(0, OUTPUT)
    assert rows.expert.max() < 8
    chosen = 2 * BATCH * (PROMPT + OUTPUT - 1) * 3
    assert demand.identity_choices > 0
    assert rows.tokens.sum() + demand.identity_choices == chosen
    own = [demand.routing.prefill_experts, demand.routing.decode_experts]
    assert demand.identity_choices == sum((experts >= 8).sum() for experts in own)
    assert f"{demand.identity_choices} of {chosen} choices" in demand.source


def test_they_move_and_read_nothing(tmp_path: Path) -> None:
    """Weights of experts: of each cell those that anybody asked for, and no more."""
    asked = experiment(tmp_path, "all-on-gpu-mixtral-8x7b-int4", **{"workload.batch": 1})
    rows = draw(asked).demand.rows(0, OUTPUT)
    dense = OUTPUT * (4 * MLA + 2 * 64 * 12 + 4 * 3 * 64 * 96 + 64 * 100) + 64 * (PROMPT + OUTPUT - 1)
    assert run(asked).traffic["weights"].memory_bytes == 2 * (dense + len(rows.expert) * EXPERT)


@pytest.mark.parametrize("policy", of_each_policy())
def test_every_policy_decides_without_them(tmp_path: Path, policy: str) -> None:
    found = prepare(experiment(tmp_path, of_each_policy()[policy], policy={"name": policy}))
    check(found)
    found.program.validate()
