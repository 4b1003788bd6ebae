"""Weights, keys and values that pass through the GPU's memory: what a step takes, worked by hand, and what is moved."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.prepare import lowering_of, policy_of
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, STREAM
from tests.workloads.batching.streaming import EXPERTS, LAYERS, MACHINE, NAME, Ran, known, ran, routed
from tests.workloads.hand_made import scenario

BATCH, PROMPT, STEPS = 8, 2048, 4
ATTENTION_BYTES = 2 * (1024 * (8 + 2 + 2) * 128 + 8 * 128 * 1024)
HEAD_BYTES = 2 * 1000 * 1024
EXPERT_BYTES = 2 * 3 * 1024 * 1024
KV_BYTES = 2 * 2 * 2 * 128
"""Of a token in a layer: keys and values of two heads."""
QUERY_BYTES = 2 * 8 * 128


@cache
def kept(**options: Any) -> Ran:
    return ran(options, BATCH, PROMPT, STEPS)


def link_ps(run: Ran, size: int) -> float:
    return size / run.machine.links["gpu-host"].bytes_per_s * 1e12


def test_dense_weights_bound_a_step_by_the_link() -> None:
    """Three quarters of two layers and of the head come over the link; the GPU, which reads them 25 times as fast,
    waits."""
    run = kept(dense_resident=0.25)
    loaded = LAYERS * int(0.75 * ATTENTION_BYTES) + int(0.75 * HEAD_BYTES)
    assert run.step_ps(3) == pytest.approx(link_ps(run, loaded), rel=0.01)  # three latencies a step


def test_experts_and_dense_weights_share_the_link() -> None:
    run = kept(dense_resident=0.5, gpu_experts=1)
    of_layer = ATTENTION_BYTES // 2 + (EXPERTS - 1) * EXPERT_BYTES
    assert run.step_ps(2) == pytest.approx(link_ps(run, LAYERS * of_layer + HEAD_BYTES // 2), rel=0.01)


def test_what_is_loaded_hides_behind_a_longer_computation() -> None:
    """A GPU whose kernels take longer than the link does not wait for weights, from the second layer on."""
    slow = {"devices.gpu.units.sm.model.rates.bf16": "1 TFLOP/s"}
    alone = ran({}, 64, 16, STEPS, machine_set=slow)
    loading = ran({"dense_resident": 0.5, "gpu_experts": 3}, 64, 16, STEPS, machine_set=slow)
    assert link_ps(loading, ATTENTION_BYTES // 2 + EXPERT_BYTES) < 0.5 * alone.step_ps(2) / LAYERS
    assert loading.step_ps(2) == pytest.approx(alone.step_ps(2), rel=0.01)


def test_keys_and_values_bound_a_step_by_the_link() -> None:
    run = kept(kv_resident=0.0, micro_batch=2)
    seen = PROMPT + 3 - 1
    assert run.step_ps(3) == pytest.approx(link_ps(run, LAYERS * BATCH * KV_BYTES * seen), rel=0.02)


def test_the_cpu_bounds_a_layer_while_the_gpu_projects_and_sends() -> None:
    """All sequences on the CPU, in eight micro-batches: a layer is what it takes to read their keys and values, one
    micro-batch after the other, and what the first one waits for."""
    run = kept(kv_resident=0.0, cpu_attention=1.0, micro_batch=1)
    one = time_alone_ps(
        run.machine, "host.cpu", {"host.dram": KV_BYTES * (PROMPT + 2) + 2 * QUERY_BYTES + KV_BYTES}, 0, 0
    )
    kernels = run.rows("attention", STREAM, "host.cpu")
    taken = run.timeline.end_ps[kernels] - run.timeline.start_ps[kernels]
    launch = int(run.program.events["setup_ps"][kernels[0]])
    assert np.median(taken) == pytest.approx(one + launch, rel=0.05)
    busy = LAYERS * int(taken[-BATCH:].sum())
    others = kept().step_ps(3)  # projections, experts and the head, none of which overlaps
    assert busy < run.step_ps(3) < busy + 1.3 * others


@pytest.mark.parametrize(
    "options",
    [
        {"dense_resident": 0.25, "gpu_experts": 1},
        {"kv_resident": 0.25, "cpu_attention": 0.5, "micro_batch": 3},
        {"kv_resident": 0.5, "micro_batch": 4, "experts_at_once": False, "dense_resident": 0.0},
    ],
    ids=["weights", "cpu", "all dense weights"],
)
def test_bytes_over_the_link_are_those_declared(options: dict[str, Any]) -> None:
    run = kept(**options)
    batching = run.scenario.layout.batching
    parts = [batching.split(size) for size in batching.sizes(BATCH)]
    on_cpu, streamed = sum(part.on_cpu for part in parts), sum(part.streamed for part in parts)
    share = 1 - options.get("dense_resident", 1.0)
    of_step = LAYERS * int(share * ATTENTION_BYTES) + int(share * HEAD_BYTES)
    assert run.copied("host.dram", "gpu.gddr", "load dense weights") == (1 + STEPS) * of_step
    loaded = EXPERTS - options.get("gpu_experts", EXPERTS)
    assert run.copied("host.dram", "gpu.gddr", "move weights") == (1 + STEPS) * LAYERS * loaded * EXPERT_BYTES
    cached = sum(PROMPT + step for step in range(STEPS))
    assert run.copied("host.dram", "gpu.gddr", "move kv") == LAYERS * streamed * KV_BYTES * cached
    assert run.copied("gpu.gddr", "host.dram", "move kv") == LAYERS * (on_cpu + streamed) * KV_BYTES * PROMPT
    new = on_cpu * (QUERY_BYTES + KV_BYTES) + streamed * KV_BYTES
    assert run.copied("gpu.gddr", "host.dram", "attention") == STEPS * LAYERS * new
    assert run.copied("host.dram", "gpu.gddr", "attention") == STEPS * LAYERS * on_cpu * QUERY_BYTES


@pytest.mark.parametrize(
    "options",
    [
        {"dense_resident": 0.25, "gpu_experts": 1, "kv_resident": 0.0, "micro_batch": 3},
        {"dense_resident": 0.5, "kv_resident": 0.25, "cpu_attention": 0.25, "micro_batch": 2, "experts_at_once": False},
    ],
)
def test_nobody_reads_a_buffer_while_it_is_filled(options: dict[str, Any]) -> None:
    """Of every range that copies fill and kernels read, one or the other is under way; and between two fills it is
    read."""
    run = ran(options, BATCH, 64, STEPS)
    program, regions = run.program, run.scenario.addresses.regions
    passing = [region for region in regions if region.name.endswith("in turn")]
    assert len(passing) >= 2
    uses: dict[int, list[tuple[int, int, bool]]] = {}
    for row in range(len(program.events)):
        event = program.events[row]
        if event["kind"] not in (COPY, STREAM):
            continue
        first = int(event["first_access"])
        for index, access in enumerate(program.accesses[first : first + int(event["accesses"])]):
            address, size = int(access["address"]), int(access["bytes"])
            if size and any(part.address <= address < part.address + part.size_bytes for part in passing):
                fills = event["kind"] == COPY and index % 2 == 1
                if fills or (event["kind"] == STREAM and access["op"] == READ):
                    when = int(run.timeline.start_ps[row]), int(run.timeline.end_ps[row])
                    uses.setdefault(_buffer(run, address), []).append((*when, fills))
    assert uses
    for found in uses.values():
        ended_fill = ended_read = 0
        for start, end, fills in sorted(found):
            assert start >= (max(ended_fill, ended_read) if fills else ended_fill)
            if fills:
                ended_fill = max(ended_fill, end)
            else:
                ended_read = max(ended_read, end)


def _buffer(run: Ran, address: int) -> int:
    """Where the buffer begins that the address lies in: half of the two, or an expert's place."""
    host = run.scenario.layout.host
    assert host is not None
    starts = [*(host.dense.buffers.tolist() if host.dense else []), *(host.kv.buffers.tolist() if host.kv else [])]
    starts += [host.dense.head_buffer] if host.dense else []
    starts += run.plan.moves["target"].tolist()
    return max(start for start in starts if start <= address)


def test_experts_behind_each_micro_batch_compute_every_token_once() -> None:
    run = kept(micro_batch=3, experts_at_once=False)
    kernels, tags = run.rows("expert", STREAM), run.tags
    for planned in run.plan.runs:
        same = tags[kernels]
        same = same[(same["step"] == planned["step"]) & (same["layer"] == planned["layer"])]
        assert int(same["tokens"][same["expert"] == planned["expert"]].sum()) == planned["tokens"]
    # three micro-batches: each gate before the experts behind it, and those before the next attention ends
    cell = (tags["step"] == 1) & (tags["layer"] == 0) & (run.program.events["kind"] == STREAM)
    order = [("attention", "gate", "expert", "combine").index(name) for name in _purposes(run, np.flatnonzero(cell))]
    assert [name for at, name in enumerate(order) if at == 0 or name != order[at - 1]] == [0, 1, 2, 3] * 3


def _purposes(run: Ran, rows: NDArray[np.int64]) -> list[str]:
    return [PURPOSES[purpose] for purpose in run.tags["purpose"][rows]]


def test_experts_at_once_run_when_all_micro_batches_have_attended() -> None:
    run = kept(micro_batch=3)
    cell = (run.tags["step"] == 1) & (run.tags["layer"] == 0) & (run.program.events["kind"] == STREAM)
    names = _purposes(run, np.flatnonzero(cell))
    assert names == ["attention"] * 3 + ["gate"] + ["expert"] * EXPERTS + ["combine"]


def test_kv_of_micro_batches_lie_apart_and_together_are_the_cache() -> None:
    """Three micro-batches read what one batch reads, each its own."""
    whole, parts = kept(), kept(micro_batch=3)

    def reads(run: Ran) -> list[tuple[int, int]]:
        found = []
        for row in run.rows("attention", STREAM):
            if run.tags["step"][row] == 2 and run.tags["layer"][row] == 1:
                first = int(run.program.events["first_access"][row])
                rows = run.program.accesses[first : first + int(run.program.events["accesses"][row])]
                rows = rows[(rows["what"] == CONTENTS.index("kv")) & (rows["op"] == READ)]
                found += [(int(each["address"]), int(each["bytes"])) for each in rows]
        return sorted(found)

    (_, every), own = reads(whole)[0], reads(parts)
    assert [size for _, size in own] == [3 * every // 8, 3 * every // 8, 2 * every // 8]
    for (address, size), (following, _) in pairwise(own):
        assert address + size <= following


def test_a_run_in_blocks_is_the_same_run() -> None:
    """What is on its way, and who had which buffer, goes over from block to block."""
    options = {"dense_resident": 0.5, "kv_resident": 0.25, "micro_batch": 3, "gpu_experts": 1}
    whole = ran(options, BATCH, 64, STEPS)
    with known():
        experiment, confronted = scenario(routed(BATCH, 64, STEPS), NAME, options, machine=MACHINE, software="ideal")
        policy, lowering, programs = policy_of(experiment, confronted), lowering_of(confronted), []
    for first, last in pairwise((0, 2, 3, 1 + STEPS)):
        policy.plan_steps(first, last)
        programs.append(lowering.lower(policy.plan.take(), first, last))
    joined, _ = join_programs(programs)
    timeline = engines.get("embedded")().run(confronted.machine, joined)
    assert timeline.total_ps == whole.timeline.total_ps
    assert joined.accesses["bytes"].sum() == whole.program.accesses["bytes"].sum()
    addresses = [np.sort(program.accesses["address"]) for program in (joined, whole.program)]
    np.testing.assert_array_equal(*addresses)
