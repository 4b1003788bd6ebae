"""Encoder-decoders: their own files, who is routed when, and the bytes of a decode step by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from moe_cosim.testing.policy.contract import check
from moe_cosim.workloads.models import find_model
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.scenario import draw
from tests.workloads.models.test_model_families import read
from tests.workloads.policies.test_asked_costs import of_each_policy

SWITCH: dict[str, Any] = {
    "model_type": "switch_transformers",
    "d_model": 64,
    "d_kv": 16,
    "num_heads": 4,
    "d_ff": 32,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_sparse_encoder_layers": 1,
    "num_sparse_decoder_layers": 1,
    "num_experts": 8,
    "vocab_size": 100,
}
NLLB: dict[str, Any] = {
    "model_type": "nllb-moe",
    "d_model": 64,
    "encoder_layers": 4,
    "decoder_layers": 8,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "num_experts": 8,
    "vocab_size": 100,
    "max_position_embeddings": 1024,
}
MATRIX = 64 * 64
"""Each of the four of attention."""
FFN = 2 * 64 * 32
BATCH, PROMPT = 3, 5


def settings(folder: Path, data: dict[str, Any], output: int, batch: int = BATCH) -> dict[str, Any]:
    path = folder / "config.json"
    path.write_text(json.dumps(data))
    return {
        "model": str(path),
        "routing": {"source": "generator", "preset": "mixtral-8x7b"},
        "workload": {"batch": batch, "prompt_tokens": PROMPT, "output_tokens": output},
        "quantization.expert_format": "fp16",
    }


def memory_bytes(folder: Path, output: int, batch: int = BATCH) -> dict[str, int]:
    found = run(load_experiment("all-on-gpu-mixtral-8x7b-int4", settings(folder, SWITCH, output, batch)))
    return {kind: traffic.memory_bytes for kind, traffic in found.traffic.items()}


def test_the_files_of_both_families(tmp_path: Path) -> None:
    switch = read(tmp_path, SWITCH)
    assert (switch.layers, switch.encoder_layers, switch.moe_layers, switch.top_k) == (4, 2, (1, 3), 1)
    by_hand = 100 * 64 + 2 * 4 * MATRIX + 2 * 8 * MATRIX + 2 * FFN + 2 * (64 * 8 + 8 * FFN)
    assert switch.total_params == by_hand
    nllb = read(tmp_path, NLLB)
    assert (nllb.layers, nllb.encoder_layers, nllb.moe_layers, nllb.top_k) == (12, 4, (3, 7, 11), 2)
    assert nllb.total_params == 100 * 64 + 4 * 4 * MATRIX + 8 * 8 * MATRIX + 9 * FFN + 3 * (64 * 8 + 8 * FFN)
    assert nllb.context_length == 1024


def test_sparse_layers_are_counted_from_the_second(tmp_path: Path) -> None:
    """As transformers builds them: with 3 of 12 layers every fourth, beginning with layer 1."""
    data = SWITCH | {"num_layers": 12, "num_decoder_layers": None}
    found = read(tmp_path, data | {"num_sparse_encoder_layers": 3, "num_sparse_decoder_layers": 12})
    assert found.moe_layers == (1, 5, 9, *range(12, 24))
    assert read(tmp_path, data | {"num_sparse_encoder_layers": 0}).encoder_moe_layers == 0


def test_the_catalogue_has_what_their_files_say(tmp_path: Path) -> None:
    base = {"d_model": 768, "d_kv": 64, "num_heads": 12, "d_ff": 3072, "num_layers": 12, "num_decoder_layers": 12}
    sparse = {"num_sparse_encoder_layers": 6, "num_sparse_decoder_layers": 6, "vocab_size": 32128}
    assert read(tmp_path, SWITCH | base | sparse | {"num_experts": 128}) == find_model("switch-base-128")
    large = {"d_model": 1024, "d_kv": 64, "num_heads": 16, "d_ff": 4096, "num_layers": 24, "num_decoder_layers": 24}
    sparse |= {"num_sparse_encoder_layers": 12, "num_sparse_decoder_layers": 12, "num_experts": 128}
    assert read(tmp_path, SWITCH | large | sparse) == find_model("switch-large-128")
    stacks = {f"{stack}_{field}": value for stack in ("encoder", "decoder")
              for field, value in (("layers", 24), ("attention_heads", 16), ("ffn_dim", 8192))}  # fmt: skip
    nllb = {"d_model": 2048, "num_experts": 128, "vocab_size": 256206}
    assert read(tmp_path, NLLB | stacks | nllb) == find_model("nllb-moe-54b")


def test_stacks_of_two_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="decoder_ffn_dim: found 48; allowed: 32, as in the encoder"):
        read(tmp_path, NLLB | {"decoder_ffn_dim": 48})


def test_keys_and_values_of_a_run_by_hand(tmp_path: Path) -> None:
    """Step s finds s tokens of its own and all of the prompt, which was written once; the encoder keeps nothing."""
    own = sum(s + 1 for s in range(4))
    cross = PROMPT + 4 * PROMPT
    two_layers, key_and_value = 2, 2 * 4 * 16 * 2
    assert memory_bytes(tmp_path, output=4)["kv"] == BATCH * two_layers * (own + cross) * key_and_value


def test_weights_of_a_decode_step_by_hand(tmp_path: Path) -> None:
    """Of one sequence: self-attention, queries and output of cross-attention, and no layer of the encoder."""
    step = 2 * (4 * MATRIX + 2 * MATRIX) + FFN + (64 * 8 + FFN) + 64 * 100 + 64
    three, two = (memory_bytes(tmp_path, output, batch=1)["weights"] for output in (3, 2))
    assert three - two == 2 * step


def test_weights_of_the_first_step_by_hand(tmp_path: Path) -> None:
    """The encoder, keys and values of cross-attention, and one token of the decoder."""
    experts = draw(load_experiment("all-on-gpu-mixtral-8x7b-int4", settings(tmp_path, SWITCH, 1, 1))).demand
    encoder = 2 * 4 * MATRIX + FFN + 64 * 8 + experts.choices_per_step(0) * FFN
    decoder = 2 * (4 * MATRIX + 4 * MATRIX) + FFN + 64 * 8 + 64 * 100
    embedding = 64 * (PROMPT + 1)
    assert memory_bytes(tmp_path, output=1, batch=1)["weights"] == 2 * (encoder + decoder + embedding)


def test_the_encoder_routes_the_prompt_and_the_decoder_what_is_decoded(tmp_path: Path) -> None:
    demand = draw(load_experiment("monde-mixtral-8x7b", settings(tmp_path, SWITCH, 4))).demand
    asked = [[(each.layer, sum(each.tokens)) for each in demand.step(step)] for step in range(demand.steps)]
    assert asked == [[(0, BATCH * PROMPT), (1, BATCH)]] + [[(1, BATCH)]] * 3
    rows = demand.rows(0, 4)
    assert rows.starts[-1] == len(rows.expert)
    decoded = demand.routing.decode_experts[:, :, 1, 0]
    for step in range(4):
        of_step = rows.expert[(rows.step == step) & (rows.layer == 1)]
        assert of_step.tolist() == np.unique(decoded[step]).tolist()


def _with_batching(whether: bool) -> list[str]:
    """Policies that declare one, which has no encoders, or those that do not."""
    plain = policies.get("on-demand").batching.__func__  # type: ignore[attr-defined]
    declared = {name: policies.get(name).batching.__func__ for name in of_each_policy()}  # type: ignore[attr-defined]
    return [name for name, own in declared.items() if (own is not plain) == whether and name != "klotski"]


@pytest.mark.parametrize("policy", _with_batching(True))
def test_who_goes_through_micro_batches_has_no_encoder(tmp_path: Path, policy: str) -> None:
    changes = settings(tmp_path, SWITCH, 4) | {"kv_cache": "gpu", "policy": {"name": policy}}
    with pytest.raises(InputError, match="allowed: a decoder whose layers attend alike"):
        prepare(of_each_policy()[policy].with_settings(changes))


@pytest.mark.parametrize("policy", ["klotski", *_with_batching(False)])
def test_every_policy_decides_and_runs_it(tmp_path: Path, policy: str) -> None:
    changes = settings(tmp_path, SWITCH, 4) | {"kv_cache": "gpu", "policy": {"name": policy}}
    experiment = of_each_policy()[policy].with_settings(changes)
    found = prepare(experiment)
    check(found)
    found.program.validate()
    computed = found.plan.runs["tokens"].sum() + found.plan.skips["tokens"].sum()
    assert computed == BATCH * (PROMPT + 4)
    assert run(experiment).end_to_end_s > 0


@pytest.mark.parametrize("policy", ["klotski", *_with_batching(False)])
def test_every_policy_decides_where_only_the_encoder_has_experts(tmp_path: Path, policy: str) -> None:
    data = SWITCH | {"num_sparse_decoder_layers": 0}
    changes = settings(tmp_path, data, 4) | {"kv_cache": "gpu", "policy": {"name": policy}}
    found = prepare(of_each_policy()[policy].with_settings(changes))
    check(found)
    assert (found.plan.runs["step"] == 0).all()


def test_a_cache_near_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kv_cache: found 'near-data'; allowed: gpu"):
        draw(load_experiment("monde-mixtral-8x7b", settings(tmp_path, SWITCH, 4) | {"kv_cache": "near-data"}))
