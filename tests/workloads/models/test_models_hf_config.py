"""Hugging Face configuration files: the same models as the catalogue's, and one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.models import find_model, model_names
from moe_cosim.workloads.models.family import families

EXAMPLES = Path(__file__).parents[2] / "data" / "hf"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))


def config(name: str, **changes: Any) -> dict[str, Any]:
    """An example with fields changed; `...` removes one."""
    data = json.loads((EXAMPLES / f"{name}.json").read_text()) | changes
    return {key: value for key, value in data.items() if value is not ...}


def write(folder: Path, data: Any) -> Path:
    path = folder / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_every_example_is_of_a_known_family_and_in_the_catalogue() -> None:
    assert {config(name)["model_type"] for name in NAMES} <= set(families.names())
    assert set(NAMES) <= set(model_names())


@pytest.mark.parametrize("name", NAMES)
def test_same_model_as_the_catalogue(name: str) -> None:
    read = find_model(EXAMPLES / f"{name}.json")
    assert read == find_model(name)
    assert read.name == name
    assert read.source.endswith(f"{name}.json")


def test_a_folder_is_enough_and_gives_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-mixtral"
    folder.mkdir()
    write(folder, config("mixtral-8x7b"))
    assert find_model(str(folder)).name == "my-mixtral"


def test_models_differ_where_their_architectures_do(tmp_path: Path) -> None:
    changed = write(tmp_path, config("mixtral-8x7b", num_hidden_layers=31))
    assert find_model(changed) != find_model("mixtral-8x7b")


def test_architectures_stand_in_for_a_missing_model_type(tmp_path: Path) -> None:
    for name in NAMES:
        if name != "kimi-k2":  # its architecture says DeepseekV3ForCausalLM, which reads the same
            assert find_model(write(tmp_path, config(name, model_type=...))) == find_model(name)


# -- defaults of the configuration classes ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("qwen3-30b-a3b", ("decoder_sparse_step", "mlp_only_layers", "use_sliding_window", "tie_word_embeddings")),
        ("qwen1.5-moe-a2.7b", ("decoder_sparse_step", "norm_topk_prob", "max_window_layers")),
        ("mixtral-8x7b", ("sliding_window", "tie_word_embeddings")),
        ("gpt-oss-20b", ("layer_types", "sliding_window", "head_dim")),
        ("deepseek-v2-lite", ("q_lora_rank", "moe_layer_freq", "topk_method")),
        ("deepseek-moe-16b", ("moe_layer_freq", "num_key_value_heads")),
        ("olmoe-1b-7b", ("norm_topk_prob", "num_key_value_heads")),
    ],
)
def test_absent_switches_have_their_class_default(tmp_path: Path, name: str, absent: tuple[str, ...]) -> None:
    data = config(name, **dict.fromkeys(absent, ...))
    assert find_model(write(tmp_path, data)) == find_model(name)


def test_explicit_head_dim_is_not_hidden_over_heads(tmp_path: Path) -> None:
    assert find_model(EXAMPLES / "qwen3-30b-a3b.json").attention.head_dim == 128
    assert find_model(write(tmp_path, config("qwen3-30b-a3b", head_dim=None))).attention.head_dim == 2048 // 32


def test_qwen_layers_without_experts(tmp_path: Path) -> None:
    every_other = find_model(write(tmp_path, config("qwen3-30b-a3b", decoder_sparse_step=2, mlp_only_layers=[1])))
    assert every_other.moe_layers == tuple(range(3, 48, 2))
    assert every_other.dense_intermediate == 6144
    assert find_model(EXAMPLES / "qwen3-30b-a3b.json").dense_intermediate == 0


def test_deepseek_layer_frequency(tmp_path: Path) -> None:
    assert find_model(write(tmp_path, config("deepseek-v3", moe_layer_freq=2))).moe_layers == tuple(range(4, 61, 2))


def test_qwen_windows_only_when_switched_on(tmp_path: Path) -> None:
    off = find_model(EXAMPLES / "qwen1.5-moe-a2.7b.json").attention
    assert off.sliding_window is None
    on = find_model(write(tmp_path, config("qwen1.5-moe-a2.7b", use_sliding_window=True))).attention
    assert (on.sliding_window, on.sliding_layers) == (32768, (21, 22, 23))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["num_experts_per_tok", "num_key_value_heads"])
def test_what_a_size_contradicts_is_named_as_the_file_has_it(name: str, field: str, tmp_path: Path) -> None:
    if field not in config(name):
        pytest.skip("not a field of this family")
    whole = config(name, **{field: 1009})  # more than experts, and no divisor of the heads
    if field == "num_key_value_heads" and "kv_lora_rank" in whole:
        pytest.skip("latent attention has none of its own")
    with pytest.raises(InputError) as refused:
        find_model(write(tmp_path, whole))
    assert refused.value.field == field


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "field", "says"),
    [
        ("mixtral-8x7b", {"hidden_size": ...}, "hidden_size", "found nothing"),
        ("mixtral-8x7b", {"hidden_size": "4096"}, "hidden_size", "found '4096'; allowed: a whole number"),
        ("mixtral-8x7b", {"hidden_size": 4096.0}, "hidden_size", "a whole number"),
        ("mixtral-8x7b", {"hidden_size": True}, "hidden_size", "found True"),
        ("mixtral-8x7b", {"hidden_size": None}, "hidden_size", "found nothing"),
        ("mixtral-8x7b", {"num_hidden_layers": -32}, "num_hidden_layers", "found -32"),
        ("mixtral-8x7b", {"num_local_experts": 0}, "num_local_experts", "found 0"),
        ("mixtral-8x7b", {"intermediate_size": float("nan")}, "intermediate_size", "found nan"),
        ("mixtral-8x7b", {"vocab_size": 10**30}, "vocab_size", "less than"),
        ("mixtral-8x7b", {"tie_word_embeddings": "no"}, "tie_word_embeddings", "true or false"),
        ("mixtral-8x7b", {"num_experts_per_tok": 9}, "num_experts_per_tok", "at most 8"),
        ("mixtral-8x7b", {"num_key_value_heads": 5}, "num_key_value_heads", "divisor of 32"),
        ("mixtral-8x7b", {"num_attention_heads": 30}, "head_dim", "30 heads do not divide 4096"),
        ("mixtral-8x7b", {"quantization_config": "fp8"}, "quantization_config", "a mapping"),
        ("qwen1.5-moe-a2.7b", {"shared_expert_intermediate_size": ...}, "shared_expert_intermediate_size", "nothing"),
        ("qwen3-30b-a3b", {"mlp_only_layers": [0, "1"]}, "mlp_only_layers[1]", "found '1'"),
        ("qwen3-30b-a3b", {"decoder_sparse_step": 49}, "moe_layers", "found none"),
        ("gpt-oss-20b", {"layer_types": ["full_attention"]}, "layer_types", "found 1 entries"),
        ("gpt-oss-20b", {"layer_types": ["chunked"] * 24}, "layer_types[0]", "found 'chunked'"),
        ("deepseek-v3", {"scoring_func": "tanh"}, "scoring_func", "'softmax' or 'sigmoid'"),
        ("deepseek-v3", {"v_head_dim": None}, "v_head_dim", "latent attention"),
        ("deepseek-v3", {"first_k_dense_replace": 61}, "moe_layers", "at least one"),
    ],
)
def test_bad_fields_are_named(tmp_path: Path, name: str, changes: dict[str, Any], field: str, says: str) -> None:
    path = write(tmp_path, config(name, **changes))
    with pytest.raises(InputError) as caught:
        find_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {field}: ")
    assert says in message
    assert "allowed: " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "field", "says"),
    [
        ({"model_type": "llama"}, "model_type", "step3p7"),
        ({"model_type": ["mixtral"]}, "model_type", "one of"),
        ({"architectures": ["LlamaForCausalLM"]}, "architectures", "Step3p5ForCausalLM"),
        ({"architectures": [["MixtralForCausalLM"]]}, "architectures", "MixtralForCausalLM"),
        ({}, "architectures", "found nothing"),
        ("[]", "file", "JSON object"),
        ("{", "file", "line 1"),
        ("[" * 100_000, "file", "JSON"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, data: Any, field: str, says: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(InputError, match=f"{field}: ") as caught:
        find_model(path)
    assert says in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.json: file: found nothing there"):
        find_model(str(tmp_path / "no.json"))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(-2, 2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(name=st.sampled_from(NAMES), value=JUNK, data=st.data())
def test_junk_in_any_field_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(config(name))))
    path = write(tmp_path_factory.getbasetemp(), config(name, **{field: value}))
    try:
        model = find_model(path)
    except InputError as error:
        refused = error
    else:
        assert model.total_params >= model.active_params > 0
        return
    assert refused.where == str(path)
    assert "\n" not in str(refused)
