"""Whole steps against sums and maxima of their parts, written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.programs.program import COPY, PURPOSES, Program
from tests.sim.tiny import Tiny, run_parts

LAUNCH_PS = 1_000_000
"""Of a kernel on the NDP device, by its description."""

SHORT = {"workload.prompt_tokens": 16, "workload.output_tokens": 3, "assumptions.host-overhead-per-layer": "0 ns"}


def _alone_ps(prepared: Prepared, event: int) -> int:
    """Time of one event when nothing else happens."""
    program = prepared.program
    rows = program.events[event : event + 1].copy()
    first, count = int(rows["first_access"][0]), int(rows["accesses"][0])
    rows["first_access"], rows["tag"] = 0, 0
    accesses = program.accesses[first : first + count]
    one = Program(program.lanes, rows, accesses, program.tags[:1], program.machine)
    return engines.get("embedded")().run(prepared.machine, one).total_ps


def _events(prepared: Prepared, step: int, layer: int | None, purpose: str, unit: str | None = None) -> list[int]:
    tags = prepared.program.tags[prepared.program.events["tag"]]
    chosen = (tags["step"] == step) & (tags["purpose"] == PURPOSES.index(purpose))
    if layer is not None:
        chosen &= tags["layer"] == layer
    found = np.flatnonzero(chosen).tolist()
    owner = [prepared.program.lanes[prepared.program.events["lane"][i]][0] for i in found]
    return [i for i, name in zip(found, owner, strict=True) if unit is None or name == unit]


def _gate_to_gate_ps(prepared: Prepared, timeline: Timeline, step: int, layer: int) -> int:
    """From the end of one layer's gate to the end of the next one's."""
    ends = [int(timeline.end_ps[_events(prepared, step, at, "gate")[0]]) for at in (layer, layer + 1)]
    return ends[1] - ends[0]


def _dense_ps(prepared: Prepared, step: int, layer: int) -> int:
    """Combine of this layer, attention and gate of the next."""
    parts = [("combine", layer), ("attention", layer + 1), ("gate", layer + 1)]
    return sum(_alone_ps(prepared, _events(prepared, step, at, purpose)[0]) for purpose, at in parts)


def test_a_step_with_all_experts_on_the_gpu_is_the_sum_of_its_kernels(tiny: Tiny) -> None:
    changes = {"policy": {"name": "all-on-gpu"}, "machine": "h100-host", "workload.output_tokens": 4}
    prepared, timeline, _ = run_parts(tiny.path, changes)
    step = prepared.program.tags["step"][prepared.program.events["tag"]]
    heads = [int(timeline.end_ps[_events(prepared, n, None, "head")[0]]) for n in range(4)]
    for n in (1, 2, 3):
        kernels = sum(_alone_ps(prepared, int(event)) for event in np.flatnonzero(step == n))
        assert heads[n] - heads[n - 1] == kernels


def test_no_step_reads_its_weights_faster_than_the_memory_can() -> None:
    prepared, _, result = run_parts("all-on-gpu-mixtral-8x7b-int4", SHORT)
    model, formats = prepared.scenario.model, prepared.scenario.quantization
    experts = 2 * formats.expert_format.expert_bytes(model.expert)
    attention = 2 * model.attention.projection_weights(model.hidden)
    step_bytes = model.layers * (experts + attention) + 2 * model.vocab * model.hidden
    hbm = prepared.machine.memories["gpu.hbm"]
    assert result.decode_s / 2 >= step_bytes / (hbm.peak_bytes_per_s * float(hbm.efficiency.share(0, False)))


def test_on_demand_takes_the_link_for_every_expert_and_the_gpu_for_the_last() -> None:
    """The first expert computes while the second is on its way."""
    prepared, timeline, _ = run_parts("on-demand-mixtral-8x7b", SHORT)
    expert_bytes = prepared.scenario.quantization.expert_format.expert_bytes(prepared.scenario.model.expert)
    assert expert_bytes == 3 * 4096 * 14336 * 2
    link = prepared.machine.links["gpu-host"].bytes_per_s
    for layer in (0, 10, 30):
        last = _events(prepared, 2, layer, "expert")[-1]
        expected = 2 * expert_bytes / link * 1e12 + _alone_ps(prepared, last) + _dense_ps(prepared, 2, layer)
        assert _gate_to_gate_ps(prepared, timeline, 2, layer) == pytest.approx(expected, rel=0.002)


def test_on_demand_decode_is_bytes_over_the_link_within_three_percent() -> None:
    """Everything but the link is 2 % of the time, so nothing in between can go far wrong."""
    prepared, _, result = run_parts("on-demand-mixtral-8x7b", SHORT)
    moved = 2 * 32 * 2 * 3 * 4096 * 14336 * 2
    seconds = moved / prepared.machine.links["gpu-host"].bytes_per_s
    assert seconds < result.decode_s < 1.03 * seconds


@pytest.mark.parametrize(
    ("changes", "slower"),
    [
        ({}, "move"),
        ({f"machine.set.links.{name}.peak": "500 GB/s" for name in ("gpu-cxl", "cxl-ndp")}, "ndp"),
    ],
    ids=["link bound", "NDP bound"],
)
def test_a_monde_layer_is_the_slower_of_its_two_sides(changes: dict[str, Any], slower: str) -> None:
    """One expert moves and runs on the GPU, the other runs near the data; then the rest of the layer."""
    prepared, timeline, _ = run_parts("monde-mixtral-8x7b", SHORT | changes)
    machine = prepared.machine
    expert_bytes = 3 * 4096 * 14336 * 2
    link, dram = machine.links["gpu-cxl"].bytes_per_s, machine.memories["ndp.dram"]
    read = expert_bytes / (dram.peak_bytes_per_s * float(dram.efficiency.share(0, False))) * 1e12
    for layer in (0, 10, 30):
        (on_gpu,) = _events(prepared, 2, layer, "expert", "gpu.sm")
        (near,) = _events(prepared, 2, layer, "expert", "ndp.core")
        kernel = int(prepared.program.events["busy_ps"][near])
        move_ps = expert_bytes / link * 1e12 + _alone_ps(prepared, on_gpu)
        ndp_ps = LAUNCH_PS + max(read, kernel)
        assert (slower == "move") == (move_ps > ndp_ps)
        expected = max(move_ps, ndp_ps) + _dense_ps(prepared, 2, layer)
        assert _gate_to_gate_ps(prepared, timeline, 2, layer) == pytest.approx(expected, rel=0.01)


def test_the_prompt_moves_every_resident_expert_once() -> None:
    prepared, _, result = run_parts("cxl-ndp-mixtral-8x7b-3bit", SHORT)
    moved = 32 * 4 * 3 * 4096 * 14336 * 2
    weights = prepared.program.tags["purpose"][prepared.program.events["tag"]] == PURPOSES.index("move weights")
    copies = prepared.program.events[weights & (prepared.program.events["kind"] == COPY)]
    assert prepared.program.accesses["bytes"][copies["first_access"]].sum() == moved
    assert result.time_to_first_token_s > moved / prepared.machine.links["gpu-cxl"].bytes_per_s


def test_the_host_costs_its_time_once_per_layer_and_step(tiny: Tiny) -> None:
    changes = {"policy": {"name": "all-on-gpu"}, "machine": "h100-host"}
    times = []
    for overhead in ("0 ns", "100 us"):
        _, timeline, _ = run_parts(tiny.path, changes | {"assumptions.host-overhead-per-layer": overhead})
        times.append(timeline.total_ps)
    assert times[1] - times[0] == 3 * 2 * 100_000_000


def test_a_slower_link_never_helps_and_bits_shrink_the_near_data_time() -> None:
    rates = {}
    for link in ("64 GB/s", "32 GB/s"):
        _, _, result = run_parts("monde-mixtral-8x7b", SHORT | {"assumptions.cxl-link-rate": link})
        rates[link] = result.decode_tokens_per_s
    assert rates["32 GB/s"] < 0.6 * rates["64 GB/s"]
    times = {}
    for bits in (2, 3, None):
        _, _, result = run_parts("cxl-ndp-mixtral-8x7b-3bit", SHORT | {"quantization.average_bits": bits})
        times[bits] = result.near_data_busy_per_expert_s
    assert times[2] < times[3] < times[None]
