"""Module-based batching: the share of the CPU by hand, and experts that run once."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.batched.moe_gen import MoeGen, MoeGenOptions
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import PURPOSES, STREAM

NAME = "moe-gen-mixtral-8x7b-a5000"
SHORT = {"workload.batch": 64, "workload.prompt_tokens": 32, "policy.micro_batch": 16, "workload.output_tokens": 2}


def test_the_share_of_the_cpu_that_its_kernel_breaks_even_at() -> None:
    """1000 sequences of 1000 tokens of 1 KB: 1 GB. Over a link of 10 GB/s beside 1 GB of weights, with a CPU that
    attends at 8 GB/s: link 0.1 (1 + 1 - w), CPU 0.125 w; equal at w = 0.89, so of tenths 0.9 is best."""
    costs = LayerCosts(expert_bytes=1e9, ffn_operations=0.0, kv_bytes=1e3, attention_operations=0.0)
    rates = RooflineRates(1e15, 8e9, 10e9, 1e15, 1e15)
    shares = MoeGen.cpu_shares(MoeGenOptions())
    seconds = {share: MoeGen.seconds(costs.layer_s(rates, 1000, 1, 1000, 1.0, share)) for share in shares}
    assert min(seconds, key=lambda share: seconds[share]) == pytest.approx(0.9)
    assert seconds[0.5] == pytest.approx(0.15)
    assert seconds[1.0] == pytest.approx(0.125, rel=1e-4)


def test_experts_begin_when_both_have_attended() -> None:
    costs = LayerCosts(expert_bytes=2e9, ffn_operations=0.0, kv_bytes=1e3, attention_operations=0.0)
    time = costs.layer_s(RooflineRates(10e9, 5e9, 1e15, 1e15, 1e15), 1000, 1, 1000, 1.0, 0.5)
    assert MoeGen.seconds(time) == pytest.approx(max(0.5 / 5, 0.5 / 10) + 2 / 10)
    assert time.whole == pytest.approx(0.5 / 10 + 2 / 10)


def test_attention_runs_by_micro_batches_and_experts_once() -> None:
    program = prepare(load_experiment(NAME, SHORT)).program
    tags = program.tags[program.events["tag"]]
    gpu = np.array([unit == "gpu.sm" for unit, _ in program.lanes])[program.events["lane"]]
    cell = (tags["step"] == 1) & (tags["layer"] == 3) & (program.events["kind"] == STREAM) & gpu
    names = [PURPOSES[purpose] for purpose in tags["purpose"][cell]]
    assert names == ["attention"] * 8 + ["gate"] + ["expert"] * names.count("expert") + ["combine"]
    assert 1 <= names.count("expert") <= 8


def test_the_cpu_helps_as_published() -> None:
    """Table 6: (H) over (G), long before the batch is as large as theirs."""
    settings = {"workload.batch": 512, "workload.output_tokens": 2, "workload.prompt_tokens": 512}
    gpu_alone, both = (run(NAME, {**settings, "policy.cpu_share": share}).decode_s for share in (0.0, 0.6))
    assert both < gpu_alone


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_of_moe_gen_is_an_experiment(quick: bool) -> None:
    chosen = registry.get("moe-gen")(quick)
    wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
    for experiment, settings in dict.fromkeys(wanted):
        load_experiment(experiment, dict(settings))
