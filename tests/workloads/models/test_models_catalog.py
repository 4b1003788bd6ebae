"""The catalogue against what the models' authors published."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.models import Model, find_model, model_names

B = 1e9

# Published parameters in billions, the error that their rounding explains (half a unit in the last
# digit), what they count that the catalogue does not, and where they are published.
TOTALS = {
    "mixtral-8x7b": (46.7, 0.05, 0.0, "Mistral AI, 'Mixtral of experts', 2023-12-11"),
    "mixtral-8x22b": (141.0, 0.5, 0.0, "Mistral AI, 'Cheaper, better, faster, stronger', 2024-04-17"),
    "deepseek-moe-16b": (16.4, 0.05, 0.0, "arXiv 2401.06066"),
    "deepseek-v2-lite": (15.7, 0.05, 0.0, "model card"),
    "deepseek-v2": (236.0, 0.5, 0.0, "model card"),
    "deepseek-v3": (671.0, 0.5, 0.0, "model card (main model, without the prediction module)"),
    "qwen1.5-moe-a2.7b": (14.3, 0.05, 0.0, "model card"),
    "qwen2-57b-a14b": (57.4, 0.05, 0.0, "Hugging Face, safetensors size"),
    "qwen3-30b-a3b": (30.5, 0.05, 0.0, "model card"),
    "qwen3-235b-a22b": (235.0, 0.5, 0.0, "model card"),
    "glm-4.5-air": (106.0, 0.5, 0.0, "model card"),
    "glm-4.5": (355.0, 0.5, 0.0, "model card"),
    "olmoe-1b-7b": (6.9, 0.05, 0.0, "arXiv 2409.02060"),
    "phi-3.5-moe": (41.9, 0.05, 0.0, "model card"),
    "gpt-oss-20b": (20.91, 0.005, 0.0, "arXiv 2508.10925 table 1"),
    "gpt-oss-120b": (116.83, 0.005, 0.0, "arXiv 2508.10925 table 1"),
    "kimi-k2": (1000.0, 50.0, 0.0, "model card: 1T"),
    # 34 layers of 1408 x 5632, the adapter and the projector of the vision tower: 0.87 B
    "llama-4-scout": (109.0, 0.5, 0.87, "model card, vision tower included"),
    "llama-4-maverick": (400.0, 0.5, 0.87, "model card, vision tower included"),
    # SiDA-MoE (arXiv 2310.18859, memory table) gives 2.298, 14.112, 27.614 and 54.62 GiB at four bytes
    # per parameter for 8, 64, 128 and 256 experts; 16 and 32 lie on the line between the first two.
    "switch-base-8": (0.6169, 0.0005, 0.0, "SiDA-MoE"),
    "switch-base-16": (1.0699, 0.0005, 0.0, "SiDA-MoE, interpolated"),
    "switch-base-32": (1.9760, 0.0005, 0.0, "SiDA-MoE, interpolated"),
    "switch-base-64": (3.7881, 0.0005, 0.0, "SiDA-MoE"),
    "switch-base-128": (7.4125, 0.0005, 0.0, "SiDA-MoE"),
    "switch-base-256": (14.6617, 0.0005, 0.0, "SiDA-MoE"),
    "switch-large-128": (26.4, 0.05, 0.0, "Pre-gated MoE (arXiv 2308.12066), table I"),
    "nllb-moe-54b": (54.5, 0.05, 0.0, "arXiv 2207.04672"),
}

# Published active parameters in billions, half a unit of their last digit, and which tables the
# publisher leaves out. Some publishers round (gpt-oss), some cut off (Qwen3-30B-A3B is 3.35, "3.3B").
ACTIVE = {
    "mixtral-8x7b": (12.9, 0.05, ()),
    "mixtral-8x22b": (39.0, 0.5, ()),
    "deepseek-moe-16b": (2.8, 0.05, ()),
    "deepseek-v2-lite": (2.4, 0.05, ("embedding",)),
    "deepseek-v2": (21.0, 0.5, ()),
    "deepseek-v3": (37.0, 0.5, ("embedding",)),
    "qwen1.5-moe-a2.7b": (2.7, 0.05, ()),
    "qwen2-57b-a14b": (14.0, 0.5, ()),
    "qwen3-30b-a3b": (3.3, 0.05, ()),
    "qwen3-235b-a22b": (22.0, 0.5, ()),
    "glm-4.5-air": (12.0, 0.5, ("embedding", "head")),
    "glm-4.5": (32.0, 0.5, ("embedding", "head")),
    "olmoe-1b-7b": (1.3, 0.05, ()),
    "phi-3.5-moe": (6.6, 0.05, ()),
    "gpt-oss-20b": (3.61, 0.005, ("embedding",)),
    "gpt-oss-120b": (5.13, 0.005, ("embedding",)),
    "kimi-k2": (32.0, 0.5, ("embedding",)),
    "llama-4-scout": (17.0, 0.5, ()),
    "llama-4-maverick": (17.0, 0.5, ()),
}


def allowed(published: float, rounding: float) -> float:
    """1 %, or what the publisher's rounding hides when that is more."""
    return max(0.01 * published, rounding)


def test_every_model_has_a_published_total() -> None:
    assert set(model_names()) == set(TOTALS)


@pytest.mark.parametrize("name", TOTALS)
def test_total_parameters_are_as_published(name: str) -> None:
    published, rounding, elsewhere, source = TOTALS[name]
    ours = find_model(name).total_params / B + elsewhere
    assert ours == pytest.approx(published, abs=allowed(published, rounding)), source


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_as_published(name: str) -> None:
    published, rounding, without = ACTIVE[name]
    model = find_model(name)
    left_out = {"embedding": model.embedding_params, "head": model.head_params}
    ours = (model.active_params - sum(left_out[table] for table in without)) / B
    low = min(0.99 * published, published - rounding)
    high = max(1.01 * published, published + 2 * rounding)
    assert low <= ours < high


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [
        ("mixtral-8x7b", 352.3),
        ("mixtral-8x22b", 604.0),
        ("deepseek-v2", 47.2),
        ("qwen3-235b-a22b", 37.7),
        ("glm-4.5-air", 34.6),
        ("switch-base-128", 9.4),
    ],
)
def test_expert_sizes_in_sixteen_bits(name: str, megabytes: float) -> None:
    assert find_model(name).expert.weights * 2 / 1e6 == pytest.approx(megabytes, abs=0.06)


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        ("mixtral-8x7b", 128),  # 32 layers x 2 x 8 heads x 128 x 2 bytes
        ("mixtral-8x22b", 224),
        ("deepseek-v2", 67.5),  # 60 layers x (512 + 64) x 2 bytes
        ("qwen3-30b-a3b", 96),
        ("gpt-oss-120b", 72),
        ("switch-base-128", 72),  # 12 decoder layers, self- and cross-attention
    ],
)
def test_cache_bytes_per_token(name: str, kib: float) -> None:
    assert find_model(name).kv_bytes_per_token == kib * 1024


def test_parts_add_up_to_the_total() -> None:
    for name in model_names():
        model = find_model(name)
        layers = sum(model.dense_params_by_layer)
        assert model.total_params == layers + model.routed_params + model.embedding_params + model.head_params
        unused = len(model.moe_layers) * (model.routed_experts - model.top_k) * model.expert.weights
        assert model.active_params == model.total_params - unused


def test_dense_layers_come_where_the_configurations_say() -> None:
    assert find_model("deepseek-v3").moe_layers == tuple(range(3, 61))
    assert find_model("mixtral-8x7b").moe_layers == tuple(range(32))
    switch = find_model("switch-base-8")
    assert switch.moe_layers == tuple(range(1, 24, 2))
    # a decoder layer has a cross-attention block on top of what the encoder layer has
    assert switch.dense_params_by_layer[13] - switch.dense_params_by_layer[1] == 4 * 768 * 768


def test_latent_attention_of_deepseek_v2_by_hand() -> None:
    attention = find_model("deepseek-v2").attention
    query = 5120 * 1536 + 1536 * 128 * 192
    cache = 5120 * 576 + 512 * 128 * 256
    assert attention.projection_weights(5120) == query + cache + 128 * 128 * 5120 == 149_225_472
    assert attention.kv_values_per_token == 576
    lite = find_model("deepseek-v2-lite").attention
    assert lite.projection_weights(2048) == 2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048


def test_sliding_layers_read_no_more_than_their_window() -> None:
    attention = find_model("gpt-oss-20b").attention
    assert attention.attended_tokens(range(4), 1000).tolist() == [128, 1000, 128, 1000]
    assert attention.attended_tokens(0, 100) == 100
    assert find_model("mixtral-8x7b").attention.attended_tokens(0, 10**6) == 10**6


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"my\.yaml: model: found 'mixtral-8x7'.*did you mean 'mixtral-8x7b'"):
        find_model("mixtral-8x7", "my.yaml")


def test_titles_are_one_line_each() -> None:
    names = model_names()
    assert list(names) == sorted(names)
    assert "352.3 MB" in names["mixtral-8x7b"]
    assert all("\n" not in line and line for line in names.values())


@pytest.fixture
def reference() -> list[dict[str, str]]:
    table = Path(__file__).parents[4] / "shared" / "data" / "tables" / "moe_models.csv"
    if not table.exists():
        pytest.skip("the reference table is not beside this checkout")
    with table.open(newline="") as rows:
        return list(csv.DictReader(rows))


def test_against_the_reference_table(reference: list[dict[str, str]]) -> None:
    ids = {model.hf_id: model for model in (find_model(name) for name in model_names())}
    assert {row["hf_id"] for row in reference} <= set(ids)
    for row in reference:
        model: Model = ids[row["hf_id"]]
        assert model.total_params / B == pytest.approx(float(row["total_params_B_est"]), rel=2e-3, abs=0.006), row[
            "model"
        ]
        assert model.kv_bytes_per_token == int(row["kv_bytes_per_token_bf16"]), row["model"]
        assert model.expert.weights == int(row["params_per_expert"]), row["model"]
        assert model.attention.projection_weights(model.hidden) == int(row["attn_params_per_layer"]), row["model"]
        assert model.layers == int(row["num_layers"])
        assert len(model.moe_layers) == int(row["num_moe_layers"])
