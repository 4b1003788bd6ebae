"""Model files of our own: any model can be written as one, and what is wrong in one is said by its field."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.models import Model, find_model, model_file_of, model_names
from moe_cosim.workloads.models.model_file.spans import layers_in, spans_of
from moe_cosim.yaml_file import yaml_text
from tests.docs_tables import DOCS
from tests.workloads.models.packaged import packaged_configurations

EXAMPLES = Path(__file__).parents[2] / "data" / "hf"
SMALL: dict[str, Any] = {
    "kind": "model",
    "hidden": 64,
    "layers": 4,
    "vocab": 100,
    "attention": {"kind": "gqa", "heads": 4, "kv_heads": 2, "head_dim": 16},
    "experts": {"count": 8, "top_k": 2, "intermediate": 32},
    "router": {"score": "softmax", "norm_topk": True},
}


def read(folder: Path, fields: dict[str, Any]) -> Model:
    path = folder / "mine.yaml"
    path.write_text(yaml_text(fields))
    return find_model(str(path))


def same(folder: Path, model: Model) -> None:
    """Read back, it is the same in all fields, also in those that equality leaves out."""
    back, stored = read(folder, model_file_of(model)), replace(model.checkpoint, note="")
    assert asdict(back) == asdict(replace(model, checkpoint=stored))


@pytest.mark.parametrize("name", model_names())
def test_written_and_read_back_every_model_of_the_catalogue_is_the_same(tmp_path: Path, name: str) -> None:
    same(tmp_path, find_model(name))


@pytest.mark.parametrize(
    "path", [*sorted(EXAMPLES.glob("*.json")), *packaged_configurations()], ids=lambda path: path.stem
)
def test_written_and_read_back_every_configuration_is_the_same(tmp_path: Path, path: Path) -> None:
    try:
        model = find_model(path)
    except InputError:
        pytest.skip("is not read at all")
    same(tmp_path, model)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_spans_mean_the_layers_they_were_written_of(layers: set[int]) -> None:
    assert layers_in(spans_of(sorted(layers)), 61, "f", "layers") == tuple(sorted(layers))


def test_the_shortest_words_for_layers() -> None:
    for layers, text in (
        (range(3, 61), "3:60"),
        (range(1, 24, 2), "1:23:2"),
        ([5], 5),
        ([0, 1, 4], "0:1, 4"),
        ([0, 4], "0, 4"),
    ):
        assert spans_of(list(layers)) == text


def test_a_file_of_few_fields(tmp_path: Path) -> None:
    model = read(tmp_path, SMALL)
    attention, router, expert = 64 * (64 + 32 + 32) + 64 * 64, 64 * 8, 3 * 64 * 32
    assert model.total_params == 2 * 100 * 64 + 4 * (attention + router + 8 * expert)
    assert (model.name, model.moe_layers, model.context_length) == ("mine", (0, 1, 2, 3), None)


def test_layers_that_attend_otherwise(tmp_path: Path) -> None:
    linear = {"kind": "linear", "heads": 4, "key_heads": 2, "head_dim": 8, "v_head_dim": 6}
    window = {"kind": "gqa", "heads": 4, "head_dim": 16, "sliding_window": 9}
    model = read(tmp_path, SMALL | {"other_attention": [{"layers": "0:1", **linear}, {"layers": 3, **window}]})
    assert [each.kind for each in model.attention_by_layer] == ["linear", "linear", "gqa", "gqa"]
    assert model.attended_tokens(range(4), 100).tolist() == [100, 100, 100, 9]


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    text = (DOCS / "models.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(kind: model\n(?:.+\n)+?)```", text)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    model = find_model(path)
    assert f"{model.total_params / 1e9:.1f} billion parameters" in text
    same(tmp_path, model)


def changed(**fields: Any) -> dict[str, Any]:
    return SMALL | fields


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (changed(layer=3), "layer: found an unknown field; allowed: .*did you mean 'layers'"),
        ({name: value for name, value in SMALL.items() if name != "hidden"}, "hidden: found nothing"),
        (changed(hidden="64"), "hidden: found '64'"),
        (changed(layers=2**20), "layers: found 1048576"),
        (changed(attention={"heads": 4}), "attention.kind: found nothing; allowed: one of gqa, linear, mla"),
        (changed(attention={"kind": "gqa", "heads": 4}), "attention.head_dim: found nothing"),
        (
            changed(attention={"kind": "gqa", "heads": 4, "head_dim": 4, "kv_lora_rank": 3}),
            "attention.kv_lora_rank: found an unknown field",
        ),
        (
            changed(attention={"kind": "gqa", "heads": 4, "head_dim": 4, "kv_heads": 3}),
            "attention.kv_heads: found 3; allowed: a divisor of 4 heads",
        ),
        (
            changed(attention={"kind": "gqa", "heads": 4, "head_dim": 4, "sliding_layers": "0:1"}),
            "attention.sliding_window: found nothing",
        ),
        (
            changed(attention={"kind": "gqa", "heads": 4, "head_dim": 4, "index_heads": 2}),
            "attention.index_heads: found 2; allowed: none without",
        ),
        (changed(experts={"count": 8, "top_k": 9, "intermediate": 3}), "top_k: found 9; allowed: at most 8"),
        (
            changed(experts={"count": 8, "top_k": 2, "intermediate": 3, "layers": "1:4"}, dense_intermediate=8),
            "experts.layers: found 1:4; allowed: from 0 to 3",
        ),
        (
            changed(experts={"count": 8, "top_k": 2, "intermediate": 3, "layers": "some"}, dense_intermediate=8),
            "experts.layers: found 'some'; allowed: layers such as",
        ),
        (changed(other_attention=[{"kind": "mla"}]), r"other_attention\[0\].layers: found nothing"),
        (
            changed(other_attention=[{"layers": 1, "kind": "gqa", "heads": 4, "head_dim": 4}] * 2),
            r"other_attention\[1\].layers: found 1; allowed: layers that no entry before has",
        ),
        (changed(precision={"experts": "int5"}), "precision.experts: found 'int5'"),
        (changed(router={"score": "argmax", "norm_topk": True}), "router.score: found 'argmax'"),
        (changed(encoder_layers=4), "encoder_layers: found 4; allowed: fewer than the 4 layers"),
        (changed(vocab=2**31 - 1, hidden=2**31 - 1, layers=32767), "sizes: found .* parameters"),
        (changed(kind="machine"), "kind: found 'machine'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_its_field(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"mine.yaml: {message}") as error:
        read(tmp_path, fields)
    assert "\n" not in str(error.value)
