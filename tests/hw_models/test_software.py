"""Software stacks: what they add to a program, and what their descriptions may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.software import find_software
from moe_cosim.hw_models.units.cpu import CpuKernels
from moe_cosim.sim.run import run
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import COMPUTE, COPY, PURPOSES

STACK = """\
kind: software
title: a test's
step: {value: "1 ms", source: "a test"}
sequence: {value: "10 us", source: "a test"}
layer: {value: "100 us", source: "a test"}
moe_layer: {value: "7 us", source: "a test"}
copy: {value: "3 us", source: "a test"}
hybrid_layer: {value: "500 us", source: "a test"}
memory_shares:
  interleaved: {value: 0.25, source: "a test"}
"""


@pytest.fixture
def stack(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(STACK)
    return str(path)


def host_ps(software: str, name: str, **settings: Any) -> tuple[dict[str, int], int]:
    """By unit, ps of the software's events; and the sum of the copies' set-ups."""
    settings = {"software": software, "workload.output_tokens": 3, "workload.prompt_tokens": 4} | settings
    prepared = prepare(load_experiment(name, settings))
    program = prepared.program
    events, tags = program.events, program.tags[program.events["tag"]]
    found: dict[str, int] = {}
    for row in np.flatnonzero((events["kind"] == COMPUTE) & (tags["purpose"] == PURPOSES.index("host"))):
        unit = program.lanes[events["lane"][row]][0]
        found[unit] = found.get(unit, 0) + int(events["busy_ps"][row])
    return found, int(events["setup_ps"][events["kind"] == COPY].sum())


def test_steps_sequences_and_layers_take_their_time_on_the_gpu(stack: str) -> None:
    found, _ = host_ps(stack, "all-on-gpu-mixtral-8x7b-int4", **{"workload.batch": 5})
    assert found == {"gpu.sm": 3 * (1_000_000_000 + 5 * 10_000_000 + 32 * 107_000_000)}


def test_a_dense_layer_has_no_experts_to_launch(stack: str) -> None:
    found, _ = host_ps(stack, "cxl-ndp-deepseek-v2-lite-3bit")
    assert found["gpu.sm"] == 3 * (1_010_000_000 + 27 * 100_000_000 + 26 * 7_000_000)


def test_layers_with_experts_on_the_host_hand_over(stack: str) -> None:
    """Every MoE layer of a machine whose experts all run on the host, and copies are set up."""
    settings = {"workload.batch": 1, "workload.skipped_tokens": 0, "kv_cache": "gpu"}
    found, setup_ps = host_ps(
        stack, "static-hybrid-qwen3-30b-a3b-rtx4090", **settings, **{"policy.gpu_experts": 0, "policy.cpu_layers": None}
    )
    assert found["host.cpu"] == 3 * 48 * 500_000_000
    assert setup_ps >= 3 * 48 * 2 * 3_000_000


def test_nothing_is_lost_with_ideal_software() -> None:
    assert host_ps("ideal", "all-on-gpu-mixtral-8x7b-int4") == ({}, 0)


def test_a_step_is_longer_by_what_the_software_takes(stack: str) -> None:
    seconds = [
        run("all-on-gpu-mixtral-8x7b-int4", {"software": name, "workload.output_tokens": 3}, keep=()).decode_s / 2
        for name in ("ideal", stack)
    ]
    assert seconds[1] - seconds[0] == pytest.approx(1.01e-3 + 32 * 107e-6, abs=1e-9)


def test_a_result_says_how_much_is_software(stack: str) -> None:
    ideal, slow = (
        run("all-on-gpu-mixtral-8x7b-int4", {"software": name, "workload.output_tokens": 3}, keep=())
        for name in ("ideal", stack)
    )
    assert (ideal.software, ideal.software_share) == ("ideal", 0)
    expected = 3 * (1.01e-3 + 32 * 107e-6) / slow.end_to_end_s
    assert slow.software_share == pytest.approx(expected, rel=1e-3)


def test_kernels_on_the_host_reach_the_stacks_share_in_its_numa_mode(stack: str) -> None:
    for mode, expected in (("interleaved", 0.25), ("local", 0.732)):
        machine = build_machine("xeon-6454s-x2-host", Assumptions({"cpu-numa": mode}))
        software = find_software(stack, Assumptions(), "test")
        model = software.on(machine).units["host.cpu"].model
        assert isinstance(model, CpuKernels)
        assert model.memory_share == expected
        assert (software.on(machine) is machine) == (mode == "local")


def test_every_stack_of_the_catalogue_reads() -> None:
    for entry in catalog.entries("software"):
        found = find_software(entry.name, Assumptions(), "test")
        assert found.title == entry.title


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('layer: {value: "100 us", source: "a test"}\n', "", "layer"),
        ('step: {value: "1 ms"', 'step: {value: "1 MB"', "step"),
        ("title: a test's", "title: a test's\nspeed: 3", "speed"),
        ("interleaved: {value: 0.25", "interleaved: {value: 1.25", "memory_shares.interleaved"),
        ("  interleaved:", "  scattered:", "memory_shares.scattered"),
        ("kind: software", "kind: device", "kind"),
    ],
)
def test_what_a_stack_cannot_say(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in STACK
    path = tmp_path / "bad.yaml"
    path.write_text(STACK.replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        find_software(str(path), Assumptions(), "my.yaml")
    assert (str(refused.value.where), refused.value.field) == (str(path), field)


def test_a_stack_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"^my\.yaml: software: found 'vllm'; allowed: .*cuda-graphs"):
        find_software("vllm", Assumptions(), "my.yaml")
