"""The header of a ``.gguf`` file as the model: sizes, precision by part, several files, and what is refused."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.formats import find_format
from moe_cosim.sim.run import run
from moe_cosim.workloads.gguf_header import Length, read_header
from moe_cosim.workloads.models import Model, find_model
from tests.workloads.models.gguf_files import F16, Q4_K, Q6_K, Listed, gguf_bytes, keys_of, tensors_of

ARCHITECTURES = {
    "mixtral-8x7b": "llama",
    "qwen3-30b-a3b": "qwen3moe",
    "qwen1.5-moe-a2.7b": "qwen2moe",
    "olmoe-1b-7b": "olmoe",
    "gpt-oss-20b": "gpt-oss",
    "glm-4.5-air": "glm4moe",
    "deepseek-moe-16b": "deepseek",
    "deepseek-v2-lite": "deepseek2",
    "deepseek-v3": "deepseek2",
    "llama-4-scout": "llama4",
}


def read(folder: Path, keys: Mapping[str, Any], tensors: Listed, name: str = "m.gguf") -> Model:
    path = folder / name
    path.write_bytes(gguf_bytes(keys, tensors))
    return find_model(str(path))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_header_of_a_models_weights_is_the_model(tmp_path: Path, name: str) -> None:
    model = find_model(name)
    found = read(tmp_path, keys_of(model, ARCHITECTURES[name]), tensors_of(model))
    assert found == model
    assert found.context_length == model.context_length
    assert found.checkpoint.experts == "fp16"


def small(**changes: Any) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...], int]]]:
    model = find_model("deepseek-moe-16b")
    return keys_of(model, "deepseek") | changes, tensors_of(model)


def test_layers_that_predict_further_tokens_are_left_out(tmp_path: Path) -> None:
    keys, tensors = small(**{"deepseek.block_count": 29, "deepseek.nextn_predict_layers": 1})
    assert read(tmp_path, keys, tensors).layers == 28


def test_experts_of_two_types_have_their_mean_size(tmp_path: Path) -> None:
    """Half of the down projections at 6 bits, as Q4_K_M has them."""
    model = find_model("mixtral-8x7b")
    tensors = [
        (name, shape, Q6_K if "ffn_down_exps" in name and number % 2 else kind)
        for number, (name, shape, kind) in enumerate(tensors_of(model, experts=Q4_K, others=Q6_K))
    ]
    sixth = sum(kind == Q6_K for name, _, kind in tensors if "_exps" in name) / (3 * model.layers)
    found = read(tmp_path, keys_of(model, "llama"), tensors)
    checkpoint = found.checkpoint
    bits = 4.5 * (1 - sixth) + 6.5625 * sixth
    assert find_format(checkpoint.experts).bits_per_weight == pytest.approx(bits, abs=1 / 64)
    assert (checkpoint.attention, checkpoint.head, checkpoint.embedding) == ("q6_k", "q6_k", "q6_k")
    assert "% q4_k" in checkpoint.note
    changes = {"model": str(tmp_path / "m.gguf"), "workload.prompt_tokens": 2, "workload.output_tokens": 2}
    result = run(load_experiment("monde-mixtral-8x7b", changes))
    ran = {row.part: row.format for row in result.precisions}
    assert {ran[part] for part in ("attention", "head", "embedding")} == {"q6_k"}
    assert ran["experts"] == checkpoint.experts
    assert any(used.name == "checkpoint-format" and "q4_k" in used.source for used in result.assumptions)


def test_types_that_no_format_is_say_what_they_run_as(tmp_path: Path) -> None:
    keys, tensors = small()
    found = read(tmp_path, keys, [(name, shape, 0 if "_exps" in name else kind) for name, shape, kind in tensors])
    assert found.checkpoint.experts == "fp16"
    assert "experts: f32 is not known: run as fp16" in found.checkpoint.note


def test_a_model_in_several_files(tmp_path: Path) -> None:
    keys, tensors = small(**{"split.count": 2, "split.no": 0})
    rest = gguf_bytes({"split.count": 2, "split.no": 1}, tensors[40:])
    name = "big-{:05}-of-00002.gguf".format
    with pytest.raises(InputError, match=r"split.count: found 2; allowed: .* big-00002-of-00002.gguf is not there"):
        read(tmp_path, keys, tensors[:40], name(1))
    (tmp_path / name(2)).write_bytes(rest)
    found = read(tmp_path, keys, tensors[:40], name(1))
    assert (found, found.name) == (find_model("deepseek-moe-16b"), "big")
    with pytest.raises(InputError, match=r"found nothing|split.no: found 1; allowed: 0: give the first file"):
        find_model(tmp_path / name(2))


def test_long_arrays_are_known_by_their_length(tmp_path: Path) -> None:
    keys, tensors = small()
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(keys | {"deepseek.attention.head_count": [16] * 28}, tensors))
    header = read_header(path)
    assert header.keys["tokenizer.ggml.tokens"] == Length(2)
    assert header.keys["tokenizer.ggml.scores"] == Length(5000)
    assert find_model(path).attention.heads == 16


def test_every_cut_header_is_refused_in_one_line(tmp_path: Path) -> None:
    keys, tensors = small()
    whole, path = gguf_bytes(keys, tensors[:3]), tmp_path / "cut.gguf"
    for length in (*range(200), *range(200, len(whole), 97)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.gguf: header: found .*; allowed: a whole GGUF header") as error:
            find_model(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("at", [8, 16], ids=["tensors", "keys"])
def test_counts_that_the_file_has_no_room_for_cost_nothing(tmp_path: Path, at: int) -> None:
    data = bytearray(gguf_bytes(*small()))
    data[at : at + 8] = struct.pack("<Q", 2**62)
    (tmp_path / "m.gguf").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(InputError, match="header: found 4611686018427387904 entries"):
        find_model(tmp_path / "m.gguf")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_an_array_longer_than_the_file(tmp_path: Path) -> None:
    data = gguf_bytes({"general.architecture": "llama", "tokens": ["a"]}, [])
    for kind in (8, 0, 12):
        cut = data[: data.index(b"tokens") + 6] + struct.pack("<IIQ", 9, kind, 2**60)
        (tmp_path / "m.gguf").write_bytes(cut)
        with pytest.raises(InputError, match="header: found 1152921504606846976 entries"):
            find_model(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"general.architecture": "mamba"}, "general.architecture: found 'mamba'; allowed: one of deepseek, deepseek2"),
        ({"general.architecture": 3}, "general.architecture: found 3"),
        (
            {"deepseek.attention.head_count": 0},
            "deepseek.attention.head_count: found 0; allowed: a whole number from 1",
        ),
        ({"deepseek.attention.head_count": [16, 8]}, r"deepseek.attention.head_count: found \[16, 8\]"),
        ({"deepseek.block_count": 2**31}, "deepseek.block_count: found 2147483648"),
        ({"deepseek.expert_used_count": 65}, "top_k: found 65; allowed: at most 64"),
        ({"deepseek.attention.head_count_kv": 3}, "kv_heads: found 3; allowed: a divisor of 16"),
        ({"general.alignment": 0}, "header: found an alignment of 0"),
    ],
)
def test_keys_that_cannot_be_meant(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    keys, tensors = small(**changes)
    with pytest.raises(InputError, match=rf"m\.gguf: {line}"):
        read(tmp_path, keys, tensors)


def test_tensors_that_cannot_be_meant(tmp_path: Path) -> None:
    keys, tensors = small()
    dense = [row for row in tensors if "gate_inp" not in row[0]]
    with pytest.raises(InputError, match=r"tensors: found no blk\.N.ffn_gate_inp.weight; allowed: a model with routed"):
        read(tmp_path, keys, dense)
    for shape, found in (((0, 8), r"shape \[0, 8\]"), ((2**62, 2**62), "shape"), ((8,), r"shape \[8\]")):
        with pytest.raises(InputError, match=f"token_embd.weight: found {found}"):
            read(tmp_path, keys, [("token_embd.weight", shape, F16), *tensors[1:]])
    odd = [(name, shape, 999 if "up_exps" in name else kind) for name, shape, kind in tensors]
    with pytest.raises(InputError, match="tensors of experts: found type 999"):
        read(tmp_path, keys, odd)


def test_what_the_package_gguf_writes_is_read(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "qwen3moe")
    for add, number in (
        (writer.add_block_count, 1),
        (writer.add_context_length, 512),
        (writer.add_embedding_length, 32),
        (writer.add_head_count, 4),
        (writer.add_head_count_kv, 2),
        (writer.add_key_length, 8),
        (writer.add_expert_count, 4),
        (writer.add_expert_used_count, 2),
    ):
        add(number)
    writer.add_token_list(["a", "b", "c"])
    shapes = {"token_embd": (3, 32), "output": (3, 32), "blk.0.attn_q": (32, 32), "blk.0.ffn_gate_inp": (4, 32)}
    shapes |= {f"blk.0.ffn_{name}_exps": (4, 32, 32) for name in ("gate", "up", "down")}
    for name, shape in shapes.items():
        values = np.zeros(shape, np.float32)
        if name.endswith("_exps"):
            quantized = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = find_model(path)
    assert (model.layers, model.hidden, model.vocab, model.routed_experts, model.top_k) == (1, 32, 3, 4, 2)
    assert (model.expert.intermediate, model.attention.kv_heads, model.context_length) == (32, 2, 512)
    assert (model.checkpoint.experts, model.checkpoint.attention) == ("q8_0", "fp16")
    theirs = gguf.GGUFReader(path)
    ours = read_header(path)
    assert ours.data_start == theirs.data_offset
    assert [(each.name, each.shape, each.type) for each in ours.tensors] == [
        (each.name, tuple(each.shape.tolist()), int(each.tensor_type)) for each in theirs.tensors
    ]
