"""Families of Hugging Face configurations by small files of our own: what each calls its sizes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from moe_cosim.workloads.models import find_model
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.models.parts import parts

COMMON = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 100,
    "num_experts_per_tok": 2,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
}
ATTENTION = 64 * (64 + 32 + 32) + 64 * 64
TABLES = 2 * 100 * 64


def read(folder: Path, data: dict[str, Any]) -> Model:
    path = folder / "config.json"
    path.write_text(json.dumps(data))
    model = find_model(path)
    assert sum(part.params for part in parts(model)) == model.total_params
    assert sum(part.active_params for part in parts(model)) == model.active_params
    return model


@pytest.mark.parametrize(
    ("fields", "attention", "sparse_layers", "experts", "expert", "shared", "dense"),
    [
        ({"model_type": "minimax_m2", "num_local_experts": 8}, ATTENTION, 4, 8, 96, 0, 0),
        ({"model_type": "granitemoe", "num_local_experts": 8}, ATTENTION, 4, 8, 96, 0, 0),
        (
            {"model_type": "granitemoeshared", "num_local_experts": 8, "shared_intermediate_size": 40},
            ATTENTION, 4, 8, 96, 40, 0,
        ),
        ({"model_type": "flex_olmo", "num_experts": 7}, ATTENTION, 4, 7, 96, 0, 0),
        (
            {
                "model_type": "llama4_text", "num_local_experts": 8,
                "interleave_moe_layer_step": 2, "intermediate_size_mlp": 128,
            },
            ATTENTION, 2, 8, 96, 96, 128,
        ),
        ({"model_type": "dots1", "n_routed_experts": 8, "n_shared_experts": 2}, ATTENTION, 3, 8, 32, 64, 96),
        (
            {"model_type": "ernie4_5_moe", "moe_num_experts": 8, "moe_k": 3, "moe_layer_start_index": 2},
            ATTENTION, 2, 8, 32, 64, 96,
        ),
        (
            {"model_type": "hunyuan_v1_moe", "num_experts": 8, "moe_topk": [2] * 4, "moe_intermediate_size": [32] * 4},
            ATTENTION, 4, 8, 32, 32, 0,
        ),
        ({"model_type": "afmoe", "num_experts": 8}, ATTENTION + 64 * 64, 3, 8, 32, 32, 96),
        ({"model_type": "step3p7", "num_experts": 8, "first_k_dense_replace": 2}, ATTENTION, 2, 8, 32, 32, 96),
        ({"model_type": "qwen3_moe", "num_local_experts": 8}, ATTENTION, 4, 8, 32, 0, 96),
        (
            {"model_type": "glm4_moe", "n_routed_experts": 8, "mlp_layer_types": ["dense", "sparse"] * 2},
            ATTENTION, 2, 8, 32, 0, 96,
        ),
    ],
)  # fmt: skip
def test_sizes_worked_out_by_hand(
    tmp_path: Path,
    fields: dict[str, Any],
    attention: int,
    sparse_layers: int,
    experts: int,
    expert: int,
    shared: int,
    dense: int,
) -> None:
    model = read(tmp_path, COMMON | fields)
    sparse = 64 * experts + 3 * 64 * (experts * expert + shared)
    by_hand = TABLES + 4 * attention + sparse_layers * sparse + (4 - sparse_layers) * 3 * 64 * dense
    assert model.total_params == by_hand
    assert model.active_params == by_hand - sparse_layers * (experts - model.top_k) * 3 * 64 * expert


def test_nested_fields(tmp_path: Path) -> None:
    plain = read(tmp_path, COMMON | {"model_type": "qwen3_moe", "num_experts": 8})
    text = COMMON | {"model_type": "qwen3_vl_moe_text", "num_experts": 8, "tie_word_embeddings": True}
    outer = {"model_type": "qwen3_vl_moe", "tie_word_embeddings": False, "vision_config": {"hidden_size": 3}}
    assert read(tmp_path, outer | {"text_config": text}) == plain
    omni = {"model_type": "qwen3_omni_moe", "thinker_config": {"text_config": COMMON | {"num_experts": 8}}}
    assert read(tmp_path, omni) == plain
    del text["hidden_size"]
    with pytest.raises(InputError, match=r"text_config\.hidden_size: found nothing"):
        read(tmp_path, outer | {"text_config": text})


def test_dbrx_nests_and_renames(tmp_path: Path) -> None:
    data = {"model_type": "dbrx", "d_model": 64, "n_layers": 4, "n_heads": 4, "vocab_size": 100}
    data |= {"attn_config": {"kv_n_heads": 2}}
    data |= {"ffn_config": {"moe_num_experts": 8, "moe_top_k": 3, "ffn_hidden_size": 32}}
    model = read(tmp_path, data)
    assert (model.routed_experts, model.top_k, model.expert.intermediate, model.attention.kv_heads) == (8, 3, 32, 2)


@pytest.mark.parametrize("window", [None, 0])
def test_a_window_of_nothing_is_off(tmp_path: Path, window: int | None) -> None:
    for family, experts in (
        ("mixtral", "num_local_experts"),
        ("gpt_oss", "num_local_experts"),
        ("dots1", "n_routed_experts"),
    ):
        model = read(tmp_path, COMMON | {"model_type": family, experts: 8, "sliding_window": window})
        assert model.attention.sliding_window is None


def test_windows_by_layer(tmp_path: Path) -> None:
    chunked = read(tmp_path, COMMON | {"model_type": "llama4_text", "num_local_experts": 8, "intermediate_size_mlp": 9})
    assert (chunked.attention.sliding_window, chunked.attention.sliding_layers) == (8192, (0, 1, 2))
    kinds = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
    afmoe = read(tmp_path, COMMON | {"model_type": "afmoe", "num_experts": 8, "layer_types": kinds})
    assert (afmoe.attention.sliding_window, afmoe.attention.sliding_layers) == (1024, (0, 3))


def test_what_transformers_5_leaves_out_of_deepseek_v3(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "data" / "hf" / "deepseek-v3.json"
    data = json.loads(path.read_text())
    for name in ("scoring_func", "topk_method", "moe_layer_freq"):
        del data[name]
    assert read(tmp_path, data | {"head_dim": 64}) == find_model("deepseek-v3")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model_type": "t5", "is_encoder_decoder": True}, "is_encoder_decoder"),
        ({"model_type": "deepseek_v4", "compress_ratios": [4]}, "compress_ratios"),
        ({"model_type": "hunyuan_v1_moe", "num_experts": [8, 8, 4, 8]}, "num_experts"),
    ],
)
def test_what_is_not_modelled_is_refused_by_its_field(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=f"config.json: {field}: found "):
        read(tmp_path, COMMON | fields)


def test_a_snapshot_in_a_cache_of_the_hub_has_its_repositorys_name(tmp_path: Path) -> None:
    repository = tmp_path / "models--some-lab--Tiny-MoE"
    blob = repository / "blobs" / "0123abcd"
    blob.parent.mkdir(parents=True)
    blob.write_text(json.dumps(COMMON | {"model_type": "minimax_m2", "num_local_experts": 8}))
    snapshot = repository / "snapshots" / "89ef"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/0123abcd")
    for path in (snapshot, snapshot / "config.json"):
        model = find_model(str(path))
        assert (model.name, model.hf_id) == ("Tiny-MoE", "some-lab/Tiny-MoE")


def test_a_name_of_the_hub_is_told_how_to_become_a_path() -> None:
    with pytest.raises(InputError, match=r"model: found 'some-lab/Tiny-MoE'; .*hf download some-lab/Tiny-MoE"):
        find_model("some-lab/Tiny-MoE")


def test_a_name_of_the_hub_is_found_in_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository = tmp_path / "hub" / "models--some-lab--Tiny-MoE"
    for revision, experts in (("89ef", 8), ("12ab", 4)):
        snapshot = repository / "snapshots" / revision
        snapshot.mkdir(parents=True)
        data = COMMON | {"model_type": "minimax_m2", "num_local_experts": experts}
        (snapshot / "config.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="hf download"):  # two revisions, and nothing says which
        find_model("some-lab/Tiny-MoE")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("12ab")
    found = find_model("some-lab/Tiny-MoE")
    assert (found.name, found.hf_id, found.routed_experts) == ("Tiny-MoE", "some-lab/Tiny-MoE", 4)
    experiment = load_experiment("monde-mixtral-8x7b", {"model": "some-lab/Tiny-MoE"})
    assert experiment.model == str(repository / "snapshots" / "12ab")  # a sweep counts it by content


def test_an_experiment_says_how_a_model_of_the_hub_gets_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"allowed: mixtral-8x7b, as the catalogue calls it; or else .*hf download"):
        find_model("mistralai/Mixtral-8x7B-v0.1")
    with pytest.raises(InputError, match=r"model: found 'some-lab/Tiny-MoE'; .*hf download some-lab/Tiny-MoE"):
        run(load_experiment("monde-mixtral-8x7b", {"model": "some-lab/Tiny-MoE"}))


@pytest.mark.parametrize(("prompt", "said"), [(60, False), (61, True)])
def test_sequences_beyond_what_the_model_was_made_for_are_noted(tmp_path: Path, prompt: int, said: bool) -> None:
    read(tmp_path, COMMON | {"model_type": "minimax_m2", "num_local_experts": 8, "max_position_embeddings": 64})
    changes = {"model": str(tmp_path / "config.json"), "workload.prompt_tokens": prompt, "workload.output_tokens": 4}
    result = run(load_experiment("monde-mixtral-8x7b", changes | {"policy": {"name": "monde"}}))
    found = [used for used in result.assumptions if used.name == "beyond-context-length"]
    assert bool(found) == said
    assert all("65 tokens" in used.source and "made for 64" in used.source for used in found)
