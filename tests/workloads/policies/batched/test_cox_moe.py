"""CoX-MoE's search: latencies and the split of experts by hand; who stays; what attention of prompts takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.run import run
from moe_cosim.workloads.batching.batching import Batching, Outset
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.policies.batched.cox_cost import CoxCosts, Phase
from moe_cosim.workloads.policies.batched.cox_moe import CoxMoe, Split
from moe_cosim.workloads.policies.batched.hrm import RooflineRates
from moe_cosim.workloads.policies.batched.room import free_bytes
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.quantization.precisions import quantization_of

RATES = RooflineRates(1000e9, 100e9, 10e9, 100e12, 10e12)
"""Memory of GPU and CPU, link; operations of GPU and CPU."""
COSTS = CoxCosts(
    RATES,
    experts=8,
    top_k=2,
    expert_bytes=1e9,
    expert_operations=1e9,
    row_bytes=1e4,
    projection_bytes=1e8,
    projection_operations=1e8,
    kv_bytes=1e3,
    pair_operations=(1e5, 1e5),
    score_bytes=64.0,
    query_bytes=((2e4, 1e4), (2e4, 1e4)),
)
DECODE = Phase(tokens=400, keys=1000, cached_tokens=400_000, micro_batches=4, is_prompt=False)
PROMPT = Phase(tokens=400_000, keys=500, cached_tokens=400_000, micro_batches=4, is_prompt=True)
NAME = "cox-moe-mixtral-8x7b"
SHORT = {"workload.batch": 32, "workload.prompt_tokens": 64, "workload.output_tokens": 2, "workload.skipped_tokens": 0}


def outset(settings: Mapping[str, Any] | None = None) -> Outset:
    experiment, assumptions = load_experiment(NAME, settings), Assumptions((settings or {}).get("assumptions"))
    machine, model = machine_of(experiment, assumptions), find_model(experiment.model)
    quantization = quantization_of(experiment, model, assumptions)
    return Outset(machine, model, experiment.workload, quantization, assumptions, experiment.policy, experiment.where)


def choice(settings: Mapping[str, Any] | None = None) -> tuple[Batching, Split]:
    return CoxMoe.choice(outset(settings))


def test_experts_take_the_longer_of_gpu_and_cpu() -> None:
    """100 tokens an expert in decode. The GPU: 1 ms to read one that stays, 100 ms more to load one. The CPU: 10 ms to
    read, as long to multiply, and 0.2 ms for rows there and back. Of 5 that do not stay the CPU takes all in 51 ms,
    which one load would not: it takes 103."""
    times = COSTS.experts_s(DECODE, 3.0, np.arange(6.0))
    assert times[0] == pytest.approx(5 * (10e-3 + 2 * 100 * 1e4 / 10e9))
    assert times[1] == pytest.approx(100e-3 + 4 * 1e-3)
    assert times[5] == pytest.approx(500e-3 + 8 * 1e-3)
    assert int(times.argmin()) == 0
    # behind each of four micro-batches the GPU reads its eight four times
    assert COSTS.experts_s(DECODE, 3.0, np.arange(6.0), 4)[5] == pytest.approx(500e-3 + 4 * 8 * 1e-3)


def test_the_prompt_loads_what_the_cpu_would_multiply_too_long() -> None:
    """100,000 tokens an expert: 1 s on the GPU, 10 s and 0.2 s of rows on the CPU: it has none."""
    times = COSTS.experts_s(PROMPT, 3.0, np.arange(6.0))
    np.testing.assert_allclose(times[:5], [(5 - loaded) * 10.2 for loaded in range(5)])
    assert times[5] == pytest.approx(8 * 1.0 + 5 * 0.1)
    assert int(times.argmin()) == 5


def test_attention_is_the_sum_of_load_compute_and_store() -> None:
    """In decode: projections 0.4 ms (read four times), keys and values home 40 us, queries there and back 1.2 ms, 4 ms
    on the CPU. On the GPU the cache comes over the link instead: 40 ms, and 0.4 ms to read it. Of a prompt nothing
    comes; its scores are written and read twice, which counts where it takes longer than the products."""
    both = 400 * 1e3 / 10e9 + 4 * 1e8 / 1000e9
    assert COSTS.attention_s(DECODE, True) == pytest.approx(both + 400 * 3e4 / 10e9 + 400_000 * 1e3 / 100e9)
    assert COSTS.attention_s(PROMPT, False) == pytest.approx(
        400_000 * 1e8 / 100e12 + 0.4e9 / 10e9 + 400_000 * 500 * 1e5 / 100e12
    )
    unfused = replace(COSTS, score_bytes=640.0)
    assert unfused.attention_s(PROMPT, False) == pytest.approx(
        400_000 * 1e8 / 100e12 + 0.4e9 / 10e9 + (0.4e9 + 4 * 400_000 * 1000 * 640) / 1000e9
    )
    assert COSTS.attention_s(DECODE, False) == pytest.approx(both + 0.4e9 / 10e9 + 0.4e9 / 1000e9)


def test_prompts_on_the_cpu_leave_memory_for_experts() -> None:
    """1024 sequences of 800 tokens, 64 at a time: 2 x 64 x 32 x 800^2 bytes of scores on the GPU, more than seven
    experts of 352 MB, or none where its kernels are fused."""
    fixed = {"policy.micro_batch": 64}
    on_gpu, on_cpu = (choice({**fixed, "policy.cpu_attention": place})[1] for place in (False, True))
    room = 2 * 64 * 32 * 800**2 // (2 * 3 * 4096 * 14336)
    assert room == 7
    queries = 2 * 2 * 64 * 800 * 4096 // (2 * 3 * 4096 * 14336)  # in two buffers, beside keys and values
    loads = 2 * (max(on_cpu[2:0:-1]) - max(on_gpu[2:0:-1]))
    assert on_cpu.resident + loads - on_gpu.resident == pytest.approx(room - queries, abs=1)


def test_every_split_is_of_a_layers_experts_and_fits() -> None:
    for settings in ({}, {"policy.cpu_attention": False}, {"workload.prompt_tokens": 97}):
        batching, split = choice(settings)
        assert split.resident // 32 + max(split.loaded, split.loaded_in_prefill) <= 8
        free = free_bytes(outset(settings), batching)
        assert free is not None
        buffers = 2 * max(split.loaded, split.loaded_in_prefill)
        assert (split.resident + buffers) * 2 * 3 * 4096 * 14336 <= free


def test_experts_that_run_behind_each_micro_batch_are_all_the_gpus() -> None:
    _, split = choice({"policy.coalesced": False, "policy.cpu_attention": False})
    assert split.loaded == split.loaded_in_prefill == 8 - split.resident // 32


@pytest.mark.parametrize("machine", ["rtx-6000-ada-host", "h100-cxl-ndp"])
def test_a_machine_without_a_cpu_is_refused(machine: str) -> None:
    with pytest.raises(InputError, match="a machine with a CPU unit") as refused:
        prepare(load_experiment(NAME, {**SHORT, "machine.use": machine}))
    assert "\n" not in str(refused.value)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"room in gpu\.gddr"):
        choice({"policy.micro_batch": 1024, "policy.cpu_attention": False})


@pytest.mark.parametrize("hot_set", ["clustered", "random"])
def test_the_sample_keeps_what_prompts_activate(hot_set: str) -> None:
    """Of classes of experts with uneven shares the sample's hot set has more of the decode's tokens than its share of
    the experts, a drawn one about as many."""
    settings = {
        **SHORT,
        "policy.hot_set": hot_set,
        "policy.micro_batch": 8,
        "machine.set.devices.gpu.memories.gddr.capacity": "12 GB",
    }
    settings["routing"] = {
        "source": "batch",
        "hot_experts": 0.25,
        "hot_tokens": 0.6,
        "cold_experts": 0.5,
        "cold_tokens": 0.2,
    }
    prepared = prepare(load_experiment("cox-moe-ablation-qwen3-30b-a3b", settings))
    runs, program = prepared.plan.runs, prepared.program
    program.validate()
    decode = runs[runs["step"] == 1]
    regions = [each for each in prepared.scenario.addresses.regions if each.name.startswith("experts on the GPU")]
    first, last = regions[0].address, regions[-1].address + regions[-1].size_bytes
    stays = (decode["address"] >= first) & (decode["address"] < last)
    share = stays.sum() / len(decode)
    hits = decode["tokens"][stays].sum() / decode["tokens"].sum()
    assert (hits > 1.15 * share) == (hot_set == "clustered")


def test_a_prompts_token_has_room_once() -> None:
    """Where experts gather their rows one after the other, and else for each of the eight that it chose."""
    rooms = []
    for coalesced in (True, False):
        short = {**SHORT, "policy.micro_batch": 8, "policy.coalesced": coalesced, "policy.cpu_attention": True}
        prepared = prepare(load_experiment("cox-moe-ablation-qwen3-30b-a3b", short))
        rooms.append(prepared.scenario.layout.activation_bytes["gpu.gddr"])
    assert rooms == [2 * 2048 * 8 * 64, 2 * 2048 * 8 * 64 * 8]


def test_each_part_of_the_ablation_gains_as_published() -> None:
    """Signs and order: coalesced experts with the CPU the most, attention on the CPU, the hot set the least. Qwen3-30B,
    512 sequences of 1320 tokens."""
    chosen = registry.get("cox-moe")(quick=True)
    (default, *_) = chosen.variants()
    results = {wanted: run(wanted[0], dict(wanted[1])) for wanted in chosen.variant_runs(default)}
    gains = list(chosen.variant_cells(default, lambda wanted: results[wanted]).values())
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 1.0


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_of_cox_moe_is_an_experiment(quick: bool) -> None:
    chosen = registry.get("cox-moe")(quick)
    wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
    for experiment, settings in dict.fromkeys(wanted):
        load_experiment(experiment, dict(settings))
