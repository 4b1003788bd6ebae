"""Groups of batches: how many hide the loads, by hand, and how a group attends."""

from __future__ import annotations

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.batched.klotski import smallest_group
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import PURPOSES, STREAM

SMALL = {
    "machine.use": "rtx4090-xeon-6454s",
    "model": "mixtral-8x7b",
    "kv_cache": "gpu",
    "workload.batch": 12,
    "workload.prompt_tokens": 16,
    "workload.output_tokens": 3,
    "workload.skipped_tokens": 0,
    "routing.hot_experts": 0.25,
    "routing.hot_tokens": 0.32,
    "routing.cold_experts": 0.25,
    "routing.cold_tokens": 0.18,
}


@pytest.mark.parametrize(("loaded", "batches"), [(1.0, 9), (0.79, 5), (0.5, 1)])
def test_the_smallest_group_that_hides_the_loads(loaded: float, batches: int) -> None:
    """Loading a layer's 10 GB over 10 GB/s takes 1 s. A batch of 10 sequences of 100 tokens of 1 MB reads 1 GB of keys
    and values at 20 GB/s: 50 ms, beside 10 ms of projections; the experts' weights are read once for all batches, in
    0.5 s. So 1 s is hidden by ceil(0.5 / 0.06) = 9 batches, 0.79 s by ceil(0.29 / 0.06) = 5, and half of it by one."""
    costs = LayerCosts(expert_bytes=10e9, ffn_operations=0.0, kv_bytes=1e6, attention_operations=0.0)
    rates = RooflineRates(20e9, 0.0, 10e9, 1e15, 1e15)
    assert smallest_group(costs, rates, 10, 100, 0.01, loaded) == batches


def test_a_group_attends_batch_by_batch_and_shares_each_expert() -> None:
    program = prepare(load_experiment("klotski-deepseek-v2", SMALL | {"policy.batch_sequences": 4})).program
    tags = program.tags[program.events["tag"]]
    cell = (tags["step"] == 1) & (tags["layer"] == 3) & (program.events["kind"] == STREAM)
    names = [PURPOSES[purpose] for purpose in tags["purpose"][cell]]
    assert names[:4] == ["attention"] * 3 + ["gate"]
    assert names.count("expert") == len(set(tags["expert"][cell & (tags["expert"] >= 0)].tolist()))


def test_the_result_says_how_many_batches_it_takes() -> None:
    figures = run("klotski-deepseek-v2", SMALL | {"policy.batch_sequences": 4}).policy_report
    assert figures["batches of the group"] == 3
    assert figures["batches that hide the loads"] > 3  # a 4090 reads weights 40 times as fast as they come
