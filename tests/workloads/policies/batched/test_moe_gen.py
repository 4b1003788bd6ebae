"""Module-based batching: the share of the CPU by hand, and experts that run once."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.reproduce.papers.moe_gen import MODEL_BASED
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.batched.moe_gen import MoeGen, MoeGenOptions
from moe_cosim.workloads.prepare import Prepared, prepare
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


@pytest.mark.parametrize("out", [256, 1024])
@pytest.mark.parametrize("system", list(MODEL_BASED))
def test_the_batch_of_a_baseline_is_the_largest_of_which_a_pass_fits(system: str, out: int) -> None:
    """By hand, of 24 GB: 86 % are planned with, 3.21 GB are dense, 16 experts of two layers 5.64 GB; a sequence takes
    1.2 x 2 bytes x 512 tokens x 2 experts x (4096 + 3 x 14336) columns of kernels, 2 rows of 4096 a token, and twice a
    layer's keys and values: 4096 bytes a token of the prompt, or, where the GPU attends, of all of it."""
    dense = 2 * (32 * 4096 * (2 * (4096 + 1024) + 8) + 2 * 32000 * 4096)
    left = 0.86 * 24e9 - dense - 16 * 3 * 2 * 4096 * 14336
    tokens = 512 + out if system == "DeepSpeed" else 512
    each = 1.2 * 2 * 512 * 2 * (4096 + 3 * 14336) + 2 * 512 * 2 * 4096 + 2 * 4096 * tokens
    most = int(left / each)
    assert MODEL_BASED[system].batches[out] == most

    def planned(batch: int) -> Prepared:
        last_step = {"workload.output_tokens": 2, "workload.skipped_tokens": out - 2}
        sizes = {"workload.batch": batch, "policy.micro_batch": batch}
        return prepare(load_experiment(MODEL_BASED[system].experiment, {**last_step, **sizes}))

    planned(most)
    with pytest.raises(InputError, match=rf"room in gpu\.gddr.*{most + 1}"):
        planned(most + 1)


def test_systems_come_in_the_published_order() -> None:
    """Table 6, 256 out: 27, 33, 89, 195, 469 tokens/s. With one batch MoE-Lightning has nothing to run ahead of, and is
    FlexGen that attends on the CPU."""
    step = {"workload.output_tokens": 2}
    deepspeed, flexgen, lightning = (
        each.batches[256] / run(each.experiment, step).decode_s for each in MODEL_BASED.values()
    )
    gpu_alone, both = (3840 / run(NAME, {**step, "policy.cpu_share": share}).decode_s for share in (0.0, 0.6))
    assert lightning == pytest.approx(flexgen, rel=1e-3)
    assert deepspeed < flexgen < gpu_alone < both


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_of_moe_gen_is_an_experiment(quick: bool) -> None:
    chosen = registry.get("moe-gen")(quick)
    wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
    for experiment, settings in dict.fromkeys(wanted):
        load_experiment(experiment, dict(settings))
