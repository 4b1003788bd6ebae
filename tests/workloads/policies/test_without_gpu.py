"""Machines whose CPU does everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import COPY

NAME = "cpu-only-qwen3-30b-a3b-xeon-6454s-x2"
SHORT = {"workload.prompt_tokens": 9, "workload.output_tokens": 4}


def test_the_cpu_is_the_main_unit_only_where_there_is_no_gpu() -> None:
    alone, beside = (build_machine(name, Assumptions()) for name in ("xeon-8470-host", "rtx4090-xeon-6454s"))
    assert (alone.has_gpu, alone.main_unit.name) == (False, "host.cpu")
    assert (beside.has_gpu, beside.main_unit.name) == (True, "gpu.sm")


@pytest.mark.parametrize("policy", [name for name in policies.names() if not policies.get(name).needs_gpu])
def test_nothing_is_copied_or_handed_over_and_all_policies_are_one(policy: str) -> None:
    found = prepare(load_experiment(NAME, SHORT | {"policy": {"name": policy}}))
    program = found.program
    assert {program.lanes[lane] for lane in np.unique(program.events["lane"])} == {("host.cpu", "main")}
    assert not (program.events["kind"] == COPY).any()
    assert run(NAME, SHORT | {"policy": {"name": policy}}).end_to_end_s == run(NAME, SHORT).end_to_end_s


def test_it_reads_what_a_step_needs_from_the_only_memory() -> None:
    """Decode on a CPU is bound by its memory: the step is no shorter than its bytes at the memory's peak."""
    result = run(NAME, SHORT)
    (memory,) = result.memories
    assert 0.5 < memory.read_bytes / memory.peak_bytes_per_s / result.end_to_end_s <= 1


@pytest.mark.parametrize("policy", [name for name in policies.names() if policies.get(name).needs_gpu])
def test_a_policy_that_needs_a_gpu_says_so(policy: str) -> None:
    with pytest.raises(
        InputError, match=rf"machine: found xeon-6454s-x2-host, which has no GPU; .*\(policy {policy}\)"
    ):
        prepare(load_experiment(NAME, SHORT | {"policy": {"name": policy}}))


def test_keys_and_values_lie_with_the_cpu() -> None:
    with pytest.raises(InputError, match="kv_cache"):
        prepare(load_experiment(NAME, SHORT | {"kv_cache": "near-data"}))


def test_a_machine_of_two_cpus_and_no_gpu_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        "kind: machine\ntitle: two hosts\ndevices:\n  a: {device: xeon-8470}\n  b: {device: xeon-8470}\n"
        "links:\n  wire: {link: pcie4-x16, ends: [a.pcie, b.pcie]}\n"
    )
    experiment = load_experiment(NAME, {"machine.use": str(path)})
    with pytest.raises(
        InputError, match="machine: found two without a GPU; allowed: a machine with one GPU, or with no"
    ):
        machine_of(experiment, Assumptions())
