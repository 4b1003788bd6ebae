"""The policy that MoE-Lightning's cost model finds, and what its parts are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.run import run
from moe_cosim.workloads.batching.batching import MOST_MICRO_BATCHES, Batching, Outset
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.policies.base import policy_class
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.batched.room import kernel_rows_bytes, reserve_bytes, sizes_to_try
from moe_cosim.workloads.policies.batched.zigzag import SIZES, Choice, ZigzagPolicy
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.quantization.precisions import quantization_of

T4 = RooflineRates(300e9, 100e9, 16e9, 65e12, 1.6e12)
"""As the artifact says them of table 1's: memory, CPU, link; operations of GPU and CPU."""


def choice(name: str, settings: Mapping[str, Any] | None = None) -> Choice:
    experiment = load_experiment(name, settings)
    found, assumptions = policy_class(experiment), Assumptions()
    assert issubclass(found, ZigzagPolicy)
    machine, model = machine_of(experiment, assumptions), find_model(experiment.model)
    quantization = quantization_of(experiment, model, assumptions)
    work, options = experiment.workload, experiment.policy
    return found.choice(Outset(machine, model, work, quantization, assumptions, options, experiment.where))


def test_a_layer_by_the_equations() -> None:
    """Mixtral-8x7B, 504 sequences of 546 tokens in 14 micro-batches, 95 % of the weights loaded (eq. 12 to 14)."""
    model = find_model("mixtral-8x7b")
    weights = 8 * 3 * 4096 * 14336 * 2
    kv = 2 * 8 * 128 * 2
    costs = LayerCosts(weights, 2 * 2 * 3 * 4096 * 14336, kv, 2 * model.attention.core.products_per_pair)
    on_cpu, on_gpu = (costs.layer_s(T4, 504, 14, 546, 0.95, where) for where in (1, 0))
    assert on_cpu.link == pytest.approx(0.95 * weights / 16e9)  # 167 ms
    assert on_cpu.cpu == pytest.approx(504 * 546 * kv / 100e9)  # 11 ms
    assert on_cpu.gpu == pytest.approx(14 * weights / 300e9)  # 132 ms, which 5 ms of arithmetic are behind
    assert on_cpu.whole == on_cpu.link
    assert on_gpu.link == pytest.approx(0.95 * weights / 16e9 + 504 * 546 * kv / 16e9)  # 70 ms more
    assert on_gpu.gpu == pytest.approx(14 * weights / 300e9 + 504 * 546 * kv / 300e9)
    assert on_gpu.cpu == 0


def test_the_t4_takes_the_published_policy() -> None:
    """Table 5: 504 sequences, 36 at a time; attention on the CPU, next to nothing of the experts on the GPU."""
    found = choice("moe-lightning-mixtral-8x7b-t4")
    assert found.batching.micro_batch == 36
    assert found.batching.cpu_attention == 1
    assert found.experts < 0.05 * 32 * 8


def test_a_prompt_s_kernel_rows_and_the_framework_s_share_stay_free() -> None:
    """Mixtral-8x7B, 1000 tokens with two experts each: 2000 rows of 4096 + 3 x 14336 values of 2 B are 188.416 MB, and
    a fifth more (the artifact's optimizer.py). Of 16 GB a quarter is the framework's."""
    model = find_model("mixtral-8x7b")
    assert kernel_rows_bytes(model, 1000) == 226_099_200
    assert reserve_bytes(model, 16 * 10**9, 0.75, 1000) == 4_226_099_200


def test_larger_micro_batches_leave_less_room_for_experts() -> None:
    sizes = (4, 36, 68, 100)
    stay = [choice("moe-lightning-mixtral-8x7b-l4", {"policy.micro_batch": size}).experts for size in sizes]
    assert stay == sorted(stay, reverse=True)
    assert stay[0] > stay[-1]


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"room in gpu\.gddr") as refused:
        prepare(load_experiment("moe-lightning-mixtral-8x7b-t4", {"policy.micro_batch": 504}))
    assert "\n" not in str(refused.value)
    settings = {"machine.use": "t4-host", "policy.cpu_attention": True, "workload.batch": 16}
    with pytest.raises(InputError, match="a machine with a CPU unit"):
        prepare(load_experiment("flexgen-mixtral-8x7b-t4", settings))


@pytest.mark.parametrize("name", ["moe-lightning-mixtral-8x7b-t4", "cox-moe-mixtral-8x7b"])
def test_too_many_micro_batches_are_refused_as_that(name: str) -> None:
    with pytest.raises(InputError, match=r"1024 micro-batches of 1 sequences.*at most 512"):
        prepare(load_experiment(name, {"workload.batch": 1024, "policy.micro_batch": 1}))


@given(st.integers(1, 4000))
def test_a_search_tries_rising_micro_batches_that_a_run_can_have(batch: int) -> None:
    sizes = sizes_to_try(SIZES, batch)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == min(batch, SIZES[-1])
    assert all(len(Batching(micro_batch=size).sizes(batch)) <= MOST_MICRO_BATCHES for size in sizes)


def test_policies_and_pipeline_have_the_published_order() -> None:
    """Table 5: FlexGen, FlexGen with MoE-Lightning's policy, MoE-Lightning (tokens/s of S1, 128 out)."""
    short = {"workload.output_tokens": 2, "workload.skipped_tokens": 63}
    flexgen, ported, whole = (
        run(name, {**short, **settings})
        for name, settings in (
            ("flexgen-mixtral-8x7b-t4", {}),
            ("flexgen-mixtral-8x7b-t4", {"workload.batch": 504, "policy.micro_batch": 36, "policy.gpu_weights": None}),
            ("moe-lightning-mixtral-8x7b-t4", {}),
        )
    )
    rates = [
        batch * 128 / (each.time_to_first_token_s + 127 * each.decode_s)
        for batch, each in ((1112, flexgen), (504, ported), (504, whole))
    ]
    assert rates == sorted(rates)


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_of_moe_lightning_is_an_experiment(quick: bool) -> None:
    chosen = registry.get("moe-lightning")(quick)
    wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
    for experiment, settings in dict.fromkeys(wanted):
        load_experiment(experiment, dict(settings))


def test_a_machine_without_a_cpu_has_one_of_no_rate() -> None:
    rates = RooflineRates.of(build_machine("h100-cxl-ndp-4", Assumptions()), "ndp0.dram")
    assert (rates.cpu_bytes_per_s, rates.cpu_operations_per_s) == (0, 0)
    assert 0 < rates.link_bytes_per_s < rates.gpu_bytes_per_s
