"""The catalogue against what the models' authors published."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.models import Model, find_model, model_names
from moe_cosim.workloads.models.family import families
from tests.workloads.models.published import published_parameters

B = 1e9

PUBLISHED = published_parameters()


def allowed(published: float, rounding: float, share: float) -> float:
    """A share of it, or what the publisher's rounding hides when that is more."""
    return max(share * published, rounding)


def test_every_model_has_a_published_total() -> None:
    assert set(model_names()) == set(PUBLISHED)
    assert {row.model_type for row in PUBLISHED.values()} <= set(families.names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_total_parameters_are_as_published(name: str) -> None:
    row = PUBLISHED[name]
    ours = find_model(name).total_params / B + row.total_elsewhere_b
    assert ours == pytest.approx(row.total_b, abs=allowed(row.total_b, row.total_rounding_b, 0.01)), row.source


@pytest.mark.parametrize("name", [name for name, row in PUBLISHED.items() if row.active_b is not None])
def test_active_parameters_are_as_published(name: str) -> None:
    """Some round (gpt-oss), some cut off (Qwen3-30B-A3B is 3.35, "3.3B")."""
    row = PUBLISHED[name]
    assert row.active_b is not None
    rounding = allowed(row.active_b, row.active_rounding_b, 0.03)
    assert row.active_b - rounding <= row.ours_active_b(find_model(name)) < row.active_b + rounding, row.source


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
        unused = len(model.moe_layers) * (model.routed_experts - model.active_experts) * model.expert.weights
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
