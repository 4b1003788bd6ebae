"""Served models: the run that a row becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.sim.run import run
from moe_cosim.sim.validate import llm
from moe_cosim.sim.validate.names.models import find_served_model
from tests.sim.validate.conftest import LLM, Write, validated


def test_a_row_is_a_steady_batch_in_the_middle_of_its_answers(write: Write) -> None:
    latency, throughput = validated("--data", write(LLM, {"prompt_tokens": "20"}))["rows"]
    alike = {
        "machine.use": "h100-host",
        "model": "gpt-oss-20b",
        "routing.preset": "gpt-oss-20b",
        "workload.batch": 2,
        "quantization.expert_format": "mxfp4",
        "quantization.dense_format": "bf16",
    }
    base = Path(llm.__file__).parent / "data" / "llm-run.yaml"
    behind = {"workload.prompt_tokens": 1, "workload.skipped_tokens": 35}  # 20 of the prompt, 16 of 40, less that one
    decode = run(base, alike | behind, keep=())
    step_s = decode.decode_s / 8
    assert (latency["metric"], latency["unit"]) == ("median_itl_ms", "ms")
    assert latency["predicted"] == pytest.approx(step_s * 1e3)
    prefill = run(base, alike | {"workload.prompt_tokens": 20, "workload.output_tokens": 1}, keep=())
    assert throughput["metric"] == "output_throughput_tokens_per_sec"
    assert throughput["predicted"] == pytest.approx(2 * 40 / (40 * step_s + prefill.time_to_first_token_s))


def test_prompts_are_computed_some_at_a_time(write: Write) -> None:
    """A batch pays for all its prompts, at the rate of those that are computed together."""
    few = {"avg_batch_size": "2", "prompt_tokens": "4096"}
    many = few | {"avg_batch_size": "4"}
    rows = [row for row in validated("--data", write(LLM, few, many))["rows"] if row["unit"] == "tokens/s"]
    steps = [row for row in validated("--data", write(LLM, few, many))["rows"] if row["unit"] == "ms"]
    lives = [batch * 40 / row["predicted"] for batch, row in zip((2, 4), rows, strict=True)]
    prefills = [life - 40 * step["predicted"] / 1e3 for life, step in zip(lives, steps, strict=True)]
    assert prefills[1] == pytest.approx(2 * prefills[0])


def test_what_one_gpu_of_the_catalogue_cannot_do_is_refused(write: Write) -> None:
    changes = [
        {"num_gpus": "2"},
        {"gpu_model": "Abacus 3"},
        {"model_id": "nobody/Nothing-7B"},
        {"weight_precision": "fp13"},
        {"avg_batch_size": "3000", "avg_output_len": "4000"},
        {"avg_batch_size": "1e15"},
    ]
    printed = validated("llm", "--data", write(LLM, *changes))
    assert printed["rows"] == []
    whys = [row["why"] for row in printed["refused"]]
    assert whys[:4] == [
        "2 GPUs; only one is modelled",
        "no GPU of the catalogue is 'Abacus 3'",
        "no model of the catalogue is 'nobody/Nothing-7B'",
        "no weight format of the catalogue is 'fp13'",
    ]
    assert "KV cache" in whys[4]
    assert "workload.batch" in whys[5]
    (assumption,) = printed["assumptions"]
    assert assumption["name"] == "llm-prompt-tokens"


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b"),
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", "deepseek-v2-lite"),
        ("deepseek-v2", "deepseek-v2"),
    ],
)
def test_models_by_their_ids(model_id: str, name: str) -> None:
    found = find_served_model(model_id)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("model_id", ["", "Qwen/Qwen3-30B", "Qwen/Qwen3-30B-A3B-Medical", "deepseek-ai/DeepSeek"])
def test_other_models_are_not_taken_for_one_that_is_known(model_id: str) -> None:
    assert find_served_model(model_id) is None


def test_watts_and_joules_are_held_against_what_the_row_measured(write: Write) -> None:
    """Watts are joules a token times tokens per second, and those of the GPU alone."""
    measured = {"avg_power_watts": "400", "energy_per_token_joules": "0.5", "energy_fitted": "yes"}
    path = write(LLM, {"prompt_tokens": "20"} | measured)
    rows = {row["metric"]: row for row in validated("--data", path)["rows"]}
    watts, joules = rows["avg_power_watts"], rows["energy_per_token_joules"]
    assert (watts["unit"], watts["measured"], joules["unit"], joules["measured"]) == ("W", 400, "J", 0.5)
    rate = rows["output_throughput_tokens_per_sec"]
    assert watts["predicted"] == pytest.approx(joules["predicted"] * rate["predicted"])
    assert 120 < watts["predicted"] < 700
    assert all(row["predicted_watts"] == watts["predicted"] and row["measured_watts"] == 400 for row in rows.values())
    assert (watts["fitted"], rate["fitted"]) == (True, False)


def test_without_measured_watts_they_are_predicted_all_the_same(write: Write) -> None:
    latency, throughput = validated("--data", write(LLM, {"prompt_tokens": "20"}))["rows"]
    assert latency["predicted_watts"] == throughput["predicted_watts"] > 0
    assert "measured_watts" not in latency
