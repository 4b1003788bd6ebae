"""Formats by part, from what a checkpoint's configuration declares, and what an experiment makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.formats import find_format
from moe_cosim.sim.cli.table import Note
from moe_cosim.sim.cli.tables.results.result import result_report
from moe_cosim.sim.run import run
from moe_cosim.workloads.models import find_model
from moe_cosim.workloads.models.checkpoint import Checkpoint, read_checkpoint
from moe_cosim.workloads.quantization.precisions import Quantization, quantization_of
from tests.workloads.models.test_model_families import COMMON

W4A16 = {"num_bits": 4, "type": "int", "group_size": 32, "strategy": "group"}
NVFP4 = {"num_bits": 4, "type": "float", "group_size": 16}
FP8_KV = {"num_bits": 8, "type": "float"}


def compressed(weights: dict[str, Any], activations: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    group = {"weights": weights, "input_activations": activations, "targets": ["Linear"]}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, **more}


def everywhere(name: str, head: bool = False) -> Checkpoint:
    return Checkpoint(name, name, name, name if head else None)


@pytest.mark.parametrize(
    ("declared", "read"),
    [
        (None, Checkpoint()),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, everywhere("fp8-block")),
        ({"quant_method": "fbgemm_fp8"}, everywhere("fp8")),
        (
            {"quant_method": "fp8", "modules_to_not_convert": ["lm_head", "model.layers.*.self_attn"]},
            Checkpoint("fp8", None, "fp8"),
        ),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]}, Checkpoint("mxfp4")),
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": ["gate"]},
            everywhere("int4"),  # `gate` is the router, not `gate_proj`
        ),
        ({"quant_method": "gptq", "bits": 4, "group_size": 64, "lm_head": True}, everywhere("int4-g64", head=True)),
        ({"quant_method": "gptq", "bits": 3}, everywhere("int3")),
        ({"bits": 4, "group_size": 64}, everywhere("int4-g64")),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, everywhere("bnb-4bit")),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, everywhere("int8-w8a8")),
        (compressed({"num_bits": 8, "type": "float", "strategy": "channel"}, FP8_KV), everywhere("fp8", head=True)),
        (compressed({"num_bits": 8, "type": "float", "strategy": "block"}, FP8_KV), everywhere("fp8-block", head=True)),
        (compressed({"num_bits": 8, "type": "int"}, {"num_bits": 8}, ignore=["lm_head"]), everywhere("int8-w8a8")),
        (compressed({"num_bits": 8, "type": "int"}, ignore=["lm_head"]), everywhere("int8")),
        (
            compressed(W4A16, ignore=["lm_head", "re:.*self_attn.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]),
            Checkpoint("int4-g32", None, "int4-g32"),
        ),
        (
            compressed(NVFP4, ignore=["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*"], kv_cache_scheme=FP8_KV),
            Checkpoint("nvfp4", kv="fp8"),
        ),
        (
            {
                "quant_algo": "NVFP4",
                "kv_cache_quant_algo": "FP8",
                "exclude_modules": ["lm_head", *(f"backbone.layers.{layer}.self_attn*" for layer in range(1, 8))],
            },
            Checkpoint("nvfp4", None, "nvfp4", kv="fp8"),
        ),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "MIXED_PRECISION",
                "quantized_layers": {
                    "lm_head": {"quant_algo": "FP8"},
                    **{f"model.layers.{layer}.mlp.experts": {"quant_algo": "NVFP4"} for layer in range(8)},
                    **{f"model.layers.{layer}.self_attn.o_proj": {"quant_algo": "FP8"} for layer in range(8)},
                },
            },
            Checkpoint("nvfp4", "fp8", None, "fp8"),
        ),
        (
            {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
            everywhere("int4-g64"),
        ),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}}, everywhere("mxfp4")),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, everywhere("int8")),
    ],
)  # fmt: skip
def test_schemes(declared: object, read: Checkpoint) -> None:
    found = read_checkpoint(declared, layers=8, has_shared=True, where="c")
    assert found == read
    for name in (found.experts, found.attention, found.shared, found.head, found.kv):
        assert name is None or find_format(name).name == name


@pytest.mark.parametrize(
    ("declared", "runs_as", "says"),
    [
        ({"quant_method": "odd"}, None, "'odd' is not known: run at fp16"),
        ({}, None, "not known: run at fp16"),
        ({"quant_method": "gptq", "bits": 5}, "int8", "5 bits: run as int8"),
        ({"quant_method": "exl3", "bits": 3.5}, "int4", "3.5 bits: run as int4"),
        ({"quant_algo": "FP3"}, "fp16", "'FP3' is not known: run at fp16"),
        ({"quant_method": "compressed-tensors"}, None, "run at fp16"),
        ({"quant_method": "quark", "global_quant_config": 3}, None, "run at fp16"),
    ],
)
def test_what_is_not_known_says_what_it_runs_as(declared: object, runs_as: str | None, says: str) -> None:
    found = read_checkpoint(declared, layers=8, has_shared=False, where="c")
    assert found.experts == runs_as
    assert says in found.note


def test_a_scheme_is_a_mapping() -> None:
    with pytest.raises(InputError, match="quantization_config: found 'fp8'"):
        read_checkpoint("fp8", 8, False, "c")


def quantized(folder: Path, quantization: dict[str, Any], declared: object) -> Quantization:
    path = folder / "config.json"
    data = {"model_type": "minimax_m2", "num_local_experts": 8, "quantization_config": declared}
    path.write_text(json.dumps(COMMON | data))
    settings = {f"quantization.{name}": value for name, value in quantization.items()}
    experiment = load_experiment("monde-mixtral-8x7b", {"model": str(path), **settings})
    return quantization_of(experiment, find_model(path), Assumptions({}))


def test_the_checkpoint_decides_unless_the_experiment_does(tmp_path: Path) -> None:
    declared = compressed(NVFP4, ignore=["lm_head", "re:.*self_attn.*"], kv_cache_scheme=FP8_KV)
    own = quantized(tmp_path, {}, declared)
    assert (own.expert_format.name, own.parts.attention.name, own.parts.kv.name) == ("nvfp4", "fp16", "fp8")
    chosen = quantized(tmp_path, {"expert_format": "fp16", "dense_format": "int8", "kv_format": "bf16"}, declared)
    assert (chosen.expert_format.name, chosen.parts.attention.name, chosen.parts.kv.name) == ("fp16", "int8", "bf16")
    silent = quantized(tmp_path, {}, None)
    assert {silent.expert_format.name, *(part.name for part in silent.parts)} == {"fp16"}


def test_what_stands_for_an_unknown_scheme_is_said_where_it_runs(tmp_path: Path) -> None:
    assert "'odd'" in quantized(tmp_path, {}, {"quant_method": "odd"}).stands_for
    assert quantized(tmp_path, {"expert_format": "int4"}, {"quant_method": "odd"}).stands_for == ""


def test_modelopts_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(COMMON | {"model_type": "minimax_m2", "num_local_experts": 8}))
    (tmp_path / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    assert find_model(tmp_path).checkpoint.experts == "fp8"


def ran(folder: Path, fields: dict[str, Any], **quantization: str) -> tuple[dict[str, str], list[str]]:
    """Formats by part of a run, and what its report says of the checkpoint."""
    path = folder / "config.json"
    path.write_text(json.dumps(COMMON | {"model_type": "minimax_m2", "num_local_experts": 8} | fields))
    settings = {f"quantization.{name}": value for name, value in quantization.items()}
    work = {"model": str(path), "workload.prompt_tokens": 4, "workload.output_tokens": 2}
    result = run(load_experiment("monde-mixtral-8x7b", work | settings))
    notes = [note for note in result_report(result) if isinstance(note, Note)]
    said = [note.text for note in notes if note.name == "checkpoint-format"]
    assert said == [used.source for used in result.assumptions if used.name == "checkpoint-format"]
    return {row.part: row.format for row in result.precisions}, said


def test_a_run_has_the_formats_that_compression_config_declares(tmp_path: Path) -> None:
    declared = compressed(W4A16, ignore=["lm_head", "re:.*self_attn.*"], kv_cache_scheme=FP8_KV)
    parts, said = ran(tmp_path, {"compression_config": declared})
    assert parts == {"attention": "fp16", "head": "fp16", "embedding": "fp16", "kv": "fp8", "experts": "int4-g32"}
    assert said == []


def test_a_run_overrides_its_checkpoint_part_by_part(tmp_path: Path) -> None:
    declared = compressed(W4A16, kv_cache_scheme=FP8_KV)
    own = {"attention_format": "int8", "head_format": "q6_k", "kv_format": "bf16"}
    parts, _ = ran(tmp_path, {"quantization_config": declared}, **own)
    assert parts == {"attention": "int8", "head": "q6_k", "embedding": "fp16", "kv": "bf16", "experts": "int4-g32"}


@pytest.mark.parametrize("declared", [{"quant_method": "odd"}, {"quant_method": "gptq", "bits": 5}])
def test_a_run_says_what_an_unknown_scheme_ran_as(tmp_path: Path, declared: dict[str, Any]) -> None:
    parts, said = ran(tmp_path, {"quantization_config": declared})
    assert len(said) == 1
    assert f"run as {parts['experts']}" in said[0] or f"run at {parts['experts']}" in said[0]
    assert ran(tmp_path, {"quantization_config": declared}, expert_format="int4")[1] == []
