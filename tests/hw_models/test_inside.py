"""Units inside a memory with an internal peak: closed forms, alone and beside traffic from outside."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.link_share import link_share
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.cli.tables.parts.machine import machine_document
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.metrics.traffic import bytes_by_kind, link_rows, memory_rows, traffic_table
from moe_cosim.sim.run import run
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import COPY, READ, WRITE, Program

INSIDE = {"devices.ndp.memories.dram.internal_peak": "2 TB/s", "devices.ndp.units.core.inside": True}
"""The device has a port of 512 GB/s."""
SIZE = 1_000_000_000


@cache
def machine(internal: str = "2 TB/s", inside: bool = True) -> Machine:
    """An H100 and one NDP device behind a link that limits nothing; every access at half the peak."""
    changed = {
        "devices.ndp.memories.dram.sequential_read": 0.5,
        "devices.ndp.units.core.window": "1 GB",
        "devices.gpu.units.sm.window": "1 GB",
        "devices.gpu.units.dma.window": "1 GB",
        "links.gpu-cxl.peak": "unlimited",
        "links.cxl-ndp.peak": "unlimited",
    }
    if inside:
        changed |= {**INSIDE, "devices.ndp.memories.dram.internal_peak": internal}
    return build_machine("h100-cxl-ndp", Assumptions(), changed)


def read_ps(size: int, bytes_per_s: float) -> float:
    return size / bytes_per_s * 1e12


def both(found: Machine, of_inside: int, of_outside: int) -> tuple[int, int, Program]:
    """When a core's read and a GPU's read of the same memory end, begun together; and their program."""
    builder = ProgramBuilder(found)
    for lane, size in (("ndp.core.main", of_inside), ("gpu.sm.main", of_outside)):
        builder.stream(lane, builder.access("ndp.dram", READ, size, 0, 0))
    program = builder.build()
    timeline = EmbeddedEngine().run(found, program)
    units = [program.lanes[lane][0] for lane in program.events["lane"]]
    ends = dict(zip(units, timeline.end_ps.tolist(), strict=True))
    return ends["ndp.core"], ends["gpu.sm"], program


def test_inside_alone_reaches_its_share_of_the_internal_peak() -> None:
    found = machine()
    latency_ps = found.memories["ndp.dram"].latency_ps  # no wire between
    expected = latency_ps + read_ps(SIZE, 0.5 * 2e12)
    assert time_alone_ps(found, "ndp.core", {"ndp.dram": SIZE}) == pytest.approx(expected, abs=2)
    assert both(found, SIZE, 0)[0] == pytest.approx(expected, abs=2)


def test_outside_alone_reaches_what_it_did_before() -> None:
    found, plain = machine(), machine(inside=False)
    expected = plain.round_trip_ps("gpu.sm", "ndp.dram") + read_ps(SIZE, 0.5 * 512e9)
    for each in (found, plain):
        assert time_alone_ps(each, "gpu.sm", {"ndp.dram": SIZE}) == pytest.approx(expected, abs=2)
        assert both(each, 0, SIZE)[1] == pytest.approx(expected, abs=2)
    for ends in (("ndp.dram", "gpu.hbm"), ("gpu.hbm", "ndp.dram"), ("ndp.dram", "ndp.dram")):
        assert move_alone_ps(found, *ends, SIZE) == move_alone_ps(plain, *ends, SIZE)


@pytest.mark.parametrize(
    ("internal", "of_inside", "of_outside"),
    [
        ("2 TB/s", 0.5 * (2e12 - 512e9), 0.5 * 512e9),  # the port is full; what it leaves of the arrays goes inside
        ("600 GB/s", 0.5 * 300e9, 0.5 * 300e9),  # the arrays are full: equal parts
    ],
)
def test_both_share_the_arrays_and_the_port_limits_the_outside(
    internal: str, of_inside: float, of_outside: float
) -> None:
    found = machine(internal)
    # as many bytes as each moves in a millisecond, so that both end together (but for their latencies)
    sizes = round(of_inside / 1000), round(of_outside / 1000)
    ends = both(found, *sizes)[:2]
    assert ends == pytest.approx((1e9, 1e9), rel=2e-3)


def test_a_copy_within_the_memory_crosses_its_port_twice() -> None:
    found = machine()
    builder = ProgramBuilder(found)
    rows = [builder.access("ndp.dram", op, SIZE, offset, 0) for op, offset in ((READ, 0), (WRITE, SIZE))]
    builder.copy("gpu.dma.weights", *rows)
    end = int(EmbeddedEngine().run(found, builder.build()).end_ps[-1])
    assert end == pytest.approx(move_alone_ps(found, "ndp.dram", "ndp.dram", SIZE, "gpu.dma"), abs=2)
    assert end > read_ps(2 * SIZE, 512e9)


def test_short_reads_get_the_internal_peak_of_the_channels_they_touch() -> None:
    found = machine()
    memory = found.memories["ndp.dram"]
    one_channel = memory.interleave_bytes
    alone = time_alone_ps(found, "ndp.core", {"ndp.dram": one_channel}) - memory.latency_ps
    assert alone == pytest.approx(read_ps(one_channel, 0.5 * 2e12 / memory.channels), abs=2)


@settings(max_examples=100, deadline=None)
@given(case=cases(internal_peaks=True))
def test_no_resource_carries_more_than_its_peak(case: RandomCase) -> None:
    found = case.machine()
    program = case.program(found)
    total_ps = EmbeddedEngine().run(found, program).total_ps
    taken: dict[str, float] = defaultdict(float)
    for event in program.events:
        unit = program.lanes[event["lane"]][0]
        for access in program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]:
            memory = found.memory_list[int(found.memory_index(access["address"]))]
            share = float(memory.efficiency.share(access["block_bytes"], access["op"] == WRITE))
            weighed = int(access["bytes"]) / share
            taken[memory.name] += weighed
            if event["kind"] == COPY or not found.is_inside(unit, memory.name):
                taken[f"{memory.name}:port"] += weighed
    for resource in found.resources:
        # every end is rounded to a picosecond
        most = resource.bytes_per_s * (total_ps + len(program.events)) / 1e12
        assert taken[resource.name] <= most * (1 + 1e-9), resource


def activity_of(found: Machine, program: Program) -> Activity:
    activity = Activity(found)
    activity.add(program, EmbeddedEngine().run(found, program), is_last=True)
    return activity


def traffic(found: Machine, program: Program) -> NDArray[np.int64]:
    return traffic_table(found, activity_of(found, program))


def test_utilization_is_of_the_arrays_and_of_the_port() -> None:
    found = machine()
    size, outside = 3_000_000, 1_000_000
    program = both(found, size, outside)[2]
    activity = activity_of(found, program)
    table = traffic_table(found, activity)
    rows = {row.name: row for row in memory_rows(found, table, 10**8)}
    assert rows["ndp.dram"].peak_bytes_per_s == 2e12
    assert rows["ndp.dram"].utilization == pytest.approx((size + outside) / 1e-4 / 2e12)
    ports = {row.name: row for row in link_rows(found, table, 10**8)}
    assert ports["ndp.dram:port"].bytes == outside
    assert ports["ndp.dram:port"].utilization == pytest.approx(outside / 1e-4 / 512e9)
    # a port is not a link, and these links carry without limit
    counted = bytes_by_kind(found, activity, table).values()
    assert sum(row.link_bytes for row in counted) == sum(row.crossed_bytes or 0 for row in counted) == 0


def test_a_copy_within_the_memory_counts_at_its_port_twice() -> None:
    found = machine()
    builder = ProgramBuilder(found)
    builder.copy("gpu.dma.weights", *(builder.access("ndp.dram", op, 5000, 0, 0) for op in (READ, WRITE)))
    program = builder.build()
    table = traffic(found, program)
    port = next(index for index, resource in enumerate(found.resources) if resource.name == "ndp.dram:port")
    assert table[port].sum() == 10_000


def test_near_data_bandwidth_is_the_internal_one_where_policies_weigh_it() -> None:
    plain = build_machine("h100-cxl-ndp", Assumptions())
    inside = build_machine("h100-cxl-ndp", Assumptions(), INSIDE)
    assert link_share(plain, ["ndp.dram"], "gpu.hbm") == pytest.approx(64 / (512 + 64), rel=0.1)
    link = link_share(plain, ["ndp.dram"], "gpu.hbm")
    link = 512e9 * link / (1 - link)
    assert link_share(inside, ["ndp.dram"], "gpu.hbm") == pytest.approx(link / (2e12 + link))


def test_show_names_both_peaks() -> None:
    shown = machine_document(machine(), ())
    peaks = {row["name"]: (row["peak_bytes_per_s"], row["internal_peak_bytes_per_s"]) for row in shown["memories"]}
    assert peaks == {"gpu.hbm": (3.35e12, None), "ndp.dram": (512e9, 2e12)}
    assert {row["name"]: row["sits"] for row in shown["units"]}["ndp.core"] == "inside"


def test_an_experiment_may_ask_for_it() -> None:
    own = {"workload.prompt_tokens": 4, "workload.output_tokens": 3}
    fast = {"devices.ndp.units.core.model.arrays": 4096}
    plain, inside = (
        run(load_experiment("monde-mixtral-8x7b", {**own, "machine.set": {**fast, **changed}}))
        for changed in ({}, INSIDE)
    )
    assert inside.near_data_busy_per_expert_s is not None
    assert plain.near_data_busy_per_expert_s is not None
    assert inside.near_data_busy_per_expert_s < plain.near_data_busy_per_expert_s


def test_the_sst_engine_refuses_it() -> None:
    with pytest.raises(InputError, match=r"memories\.ndp\.dram\.internal_peak: found 2 TB/s; allowed: none on the sst"):
        build_graph(machine(), BuildOptions())


def test_a_copy_engine_is_not_inside() -> None:
    with pytest.raises(InputError, match=r"units\.dma\.inside: found True; allowed: a unit that computes"):
        build_machine("h100-cxl-ndp", Assumptions(), {"devices.gpu.units.dma.inside": True})


def test_the_same_peak_inside_and_at_the_port_differs_by_the_wires_alone() -> None:
    same = {**INSIDE, "devices.ndp.memories.dram.internal_peak": "512 GB/s"}
    found = build_machine("h100-cxl-ndp", Assumptions(), same)
    plain = build_machine("h100-cxl-ndp", Assumptions())
    wires_ps = plain.round_trip_ps("ndp.core", "ndp.dram") - found.round_trip_ps("ndp.core", "ndp.dram")
    assert wires_ps == 2 * plain.path("ndp.core", "ndp.dram").latency_ps
    assert replace(found.memories["ndp.dram"], internal_peak_bytes_per_s=None) == plain.memories["ndp.dram"]
    times = [time_alone_ps(each, "ndp.core", {"ndp.dram": SIZE}) for each in (plain, found)]
    assert times[0] - times[1] == pytest.approx(wires_ps, abs=2)
