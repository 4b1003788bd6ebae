"""Striped layouts: every byte of a copy once, equally on all modules, and what reads it reads it all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.experiment import Experiment
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, STREAM
from moe_cosim.workloads.stripes import STRIPED, Stripes


@given(st.integers(1, 64), st.integers(0, 10**9))
def test_parts_are_equal_up_to_a_byte_and_sum_to_the_whole(count: int, size: int) -> None:
    parts = Stripes(tuple(map(str, range(count))), tuple(range(count))).sizes(size)
    assert parts.sum() == size
    assert parts.max() - parts.min() <= 1


def run(policy: str, **settings: object) -> Prepared:
    experiment = Experiment(
        name="stripes",
        machine={"use": "h100-amx-dimm-ndp"},
        model="deepseek-v2-lite",
        routing={"source": "batch"},
        workload={"batch": 32, "prompt_tokens": 8, "output_tokens": 4},
        policy={"name": policy, "gpu_experts": 4},
        kv_cache="near-data",
    )
    return prepare(experiment.with_settings(settings))


def bytes_per_module(found: Prepared, unit: str, purpose: str, kind: int) -> np.ndarray:
    """[16] bytes of weights that a unit's events read in each module."""
    program, machine = found.program, found.machine
    tags = program.tags[program.events["tag"]]
    lanes = [index for index, (name, _) in enumerate(program.lanes) if name == unit]
    mine = np.flatnonzero(
        (tags["purpose"] == PURPOSES.index(purpose))
        & (program.events["kind"] == kind)
        & np.isin(program.events["lane"], lanes)
    )
    events = program.events[mine]
    rows = np.concatenate([np.arange(e["first_access"], e["first_access"] + e["accesses"]) for e in events])
    access = program.accesses[rows]
    access = access[(access["what"] == CONTENTS.index("weights")) & (access["op"] == 0)]
    memory = machine.memory_index(access["address"])
    modules = [list(machine.memories).index(f"dimm{index}.dram") for index in range(16)]
    return np.array([int(access["bytes"][memory == module].sum()) for module in modules])


def test_the_cpu_reads_a_striped_expert_equally_from_every_module() -> None:
    found = run("ktransformers")
    read = bytes_per_module(found, "host.cpu", "expert", STREAM)
    size = found.plan.formats[0].expert_bytes(found.scenario.model.expert)
    runs = found.plan.runs[found.plan.runs["unit"] == found.plan.units.index("host.cpu")]
    assert (runs["address"] >= STRIPED).all()
    assert read.sum() == len(runs) * size
    assert read.max() - read.min() <= len(runs)


def test_fetching_striped_experts_reads_every_module_alike_and_writes_whole_experts() -> None:
    found = run("klotski")
    read = bytes_per_module(found, "gpu.dma", "move weights", COPY)
    size = found.plan.formats[0].expert_bytes(found.scenario.model.expert)
    assert read.sum() == len(found.plan.moves) * size
    assert read.max() - read.min() <= len(found.plan.moves)


def test_changing_a_layout_is_traffic_between_modules() -> None:
    """Every expert that TriMoE stripes after the prefill leaves its module once, and arrives in 16 parts."""
    found = run("trimoe")
    moves = found.plan.moves
    striping = moves[(moves["target"] >= STRIPED) & (moves["source"] < STRIPED)]
    assert len(striping) > 0
    size = found.plan.formats[0].expert_bytes(found.scenario.model.expert)
    units = [f"dimm{index}.link" for index in range(16)]
    left = sum(bytes_per_module(found, unit, "move weights", COPY).sum() for unit in units)
    between = moves[found.machine.memory_index(moves["target"]) != list(found.machine.memories).index("gpu.hbm")]
    assert left == len(between) * size


def test_keys_and_values_are_dealt_evenly_over_the_modules() -> None:
    found = run("trimoe", **{"assumptions.kv-attention": "near-data"})
    accesses = found.program.accesses
    kv = accesses[accesses["what"] == CONTENTS.index("kv")]
    memory = found.machine.memory_index(kv["address"])
    per_module = np.bincount(memory, weights=kv["bytes"])
    held = per_module[per_module > 0]
    assert len(held) == 16
    assert held.max() / held.min() == pytest.approx(1, abs=1e-3)
