"""Flash on the embedded engine: closed forms of single reads and of users that meet, and a policy's steps by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.workloads.programs.builder import Access, ProgramBuilder
from moe_cosim.workloads.programs.program import COPY, PURPOSES
from tests.sim.tiny import Tiny, refused, run_parts, says

PAGE = 4096
DIES = 10
LATENCY_PS, WRITE_LATENCY_PS = 100_000_000, 20_000_000
PAGE_AT_RANDOM_PS = 50_000_000
"""For which a die is busy with a page at random: a tenth of it is a page's share of the rate of ten dies."""
PEAK, WRITE_PEAK = 8.192e9, 4.096e9
WAY_PS = 20_000
"""From the drive's engine to its memory and back."""
SET = {
    "dies": DIES,
    "page": f"{PAGE} B",
    "read_peak": f"{PEAK} B/s",
    "write_peak": f"{WRITE_PEAK} B/s",
    "page_read_rate": f"{PAGE * DIES / PAGE_AT_RANDOM_PS * 1e12} B/s",
    "page_write_rate": f"{WRITE_PEAK / 2} B/s",
    "command_time": "10 us",
    "latency": f"{LATENCY_PS - WAY_PS * 2} ps",
    "write_latency": f"{WRITE_LATENCY_PS - WAY_PS * 2} ps",
    "path": "direct",
}
"""Latencies with both ways over the drive's wires are round."""


@cache
def drive(depth: int = 1, command: int = PAGE, **changed: Any) -> Machine:
    memory = {f"devices.ssd.memories.nand.{name}": value for name, value in (SET | changed).items()}
    queue = {"devices.ssd.units.dma.queue.depth": depth, "devices.ssd.units.dma.queue.command": f"{command} B"}
    return build_machine("rtx4090-nvme", Assumptions(), memory | queue)


def ends(machine: Machine, *accesses: tuple[str, Access]) -> list[int]:
    """When each ends, all begun at once."""
    builder = ProgramBuilder(machine)
    for lane, access in accesses:
        builder.stream(f"ssd.dma.{lane}", access)
    return sorted(EmbeddedEngine().run(machine, builder.build()).end_ps.tolist())


def read_ps(machine: Machine, size: int, offset: int = 0, block: int = 0) -> int:
    return ends(machine, ("weights", ProgramBuilder(machine).read("ssd.nand", size, offset, block)))[0]


def write_ps(machine: Machine, size: int, block: int = 0) -> int:
    access = ProgramBuilder(machine).access("ssd.nand", 1, size, 0, block)
    return ends(machine, ("weights", access))[0]


@pytest.mark.parametrize("size", [1, 100, PAGE])
def test_what_lies_in_one_page_takes_the_latency(size: int) -> None:
    assert read_ps(drive(), size) == pytest.approx(LATENCY_PS, abs=1)


def test_a_page_more_at_each_end_is_read_whole() -> None:
    """100 bytes across a border are two pages, on two dies; the run of 30 pages is as long with a byte less."""
    deep = drive(1024)
    assert read_ps(deep, 100, PAGE - 50) == read_ps(deep, 2 * PAGE, 0)
    assert read_ps(deep, 30 * PAGE - 1) == pytest.approx(read_ps(deep, 30 * PAGE), abs=1)
    assert read_ps(deep, 30 * PAGE, 1) == pytest.approx(read_ps(deep, 31 * PAGE), abs=1)


@pytest.mark.parametrize("pages", [10, 100, 5000])
def test_a_deep_queue_reads_a_run_at_the_peak_behind_the_first_pages(pages: int) -> None:
    """All ten dies give their first page after the latency."""
    expected = LATENCY_PS + (pages - DIES) * PAGE / PEAK * 1e12
    assert read_ps(drive(4096), pages * PAGE) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_shallow_queue_reads_its_depth_in_each_turn(depth: int) -> None:
    """A run is spread over the dies, so nothing waits: `depth` pages in a latency."""
    turns = 40
    expected = turns * LATENCY_PS
    assert read_ps(drive(depth), depth * turns * PAGE) == pytest.approx(expected, rel=1e-6)


def test_a_long_command_comes_after_all_its_bytes() -> None:
    """A queue of one command of 40 pages: the latency, and 30 pages behind those of the ten dies."""
    turn_ps = LATENCY_PS + 30 * PAGE / PEAK * 1e12
    assert read_ps(drive(1, 40 * PAGE), 50 * 40 * PAGE) == pytest.approx(50 * turn_ps, rel=0.02)


@pytest.mark.parametrize("depth", [1, 4, 16])
def test_pages_at_random_wait_for_each_other_on_their_dies(depth: int) -> None:
    """Balanced job bound: (n - 1) others, a tenth of whom are on the die, for the half of a turn that they keep it."""
    wait_ps = (depth - 1) * PAGE_AT_RANDOM_PS / DIES * (PAGE_AT_RANDOM_PS / LATENCY_PS)
    expected = depth / (LATENCY_PS + wait_ps)
    pages = 20_000
    assert pages / read_ps(drive(depth), pages * PAGE, block=PAGE) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("block", [PAGE, PAGE // 4])
def test_pages_at_random_saturate_at_the_rate_of_all_dies(block: int) -> None:
    """A quarter of a page costs a page."""
    blocks = 20_000
    rate = blocks / read_ps(drive(1024), blocks * block, block=block)
    assert rate == pytest.approx(DIES / PAGE_AT_RANDOM_PS, rel=0.01)


def test_a_block_of_several_pages_holds_the_drive_for_the_time_of_a_command() -> None:
    block, blocks = 16 * PAGE, 2000
    expected = 10_000_000 + block / PEAK * 1e12
    assert read_ps(drive(1024, block), blocks * block, block=block) / blocks == pytest.approx(expected, rel=0.01)


def test_writes_have_a_latency_and_a_peak_of_their_own() -> None:
    assert write_ps(drive(), PAGE) == pytest.approx(WRITE_LATENCY_PS, abs=1)
    pages = 5000
    assert write_ps(drive(4096), pages * PAGE) == pytest.approx(
        WRITE_LATENCY_PS + (pages - 1) * PAGE / WRITE_PEAK * 1e12, abs=2
    )
    assert write_ps(drive(4096), pages * PAGE, PAGE) / pages == pytest.approx(2e12 * PAGE / WRITE_PEAK, rel=0.01)


def test_two_readers_share_the_peak_and_the_last_has_it_alone() -> None:
    """The first ends when both have moved its bytes; the other moves the rest alone."""
    machine, short, long = drive(4096), 1000 * PAGE, 4000 * PAGE
    builder = ProgramBuilder(machine)
    found = ends(
        machine,
        ("weights", builder.read("ssd.nand", short)),
        ("prefetch", builder.read("ssd.nand", long, 1 << 30)),
    )
    first_ps = DIES * PAGE / PEAK * 1e12
    begin = LATENCY_PS - first_ps
    assert found[0] == pytest.approx(begin + 2 * short / PEAK * 1e12, abs=2)
    assert found[1] == pytest.approx(begin + (short + long) / PEAK * 1e12, abs=2)


def test_a_reader_and_a_writer_share_the_dies_by_time() -> None:
    """Bytes written take twice as long as bytes read, and both get as many at a time."""
    machine, size = drive(4096), 3000 * PAGE
    builder = ProgramBuilder(machine)
    read, write = builder.read("ssd.nand", size), builder.access("ssd.nand", 1, size, 1 << 30, 0)
    found = ends(machine, ("weights", read), ("prefetch", write))
    both_ps = size / PEAK * 1e12 + size / WRITE_PEAK * 1e12
    assert found[1] == pytest.approx(both_ps, rel=0.02)


@pytest.mark.parametrize("depth", [1, 3, 64])
@pytest.mark.parametrize("size", [100, 50_000, 3_000_000])
def test_costs_alone_are_the_engines(depth: int, size: int) -> None:
    machine = drive(depth, 8 * PAGE)
    assert time_alone_ps(machine, "ssd.dma", {"ssd.nand": size}) == pytest.approx(read_ps(machine, size), abs=2)
    alone_ps = time_alone_ps(machine, "ssd.dma", {}, writes={"ssd.nand": size})
    assert alone_ps == pytest.approx(write_ps(machine, size), abs=2)
    builder = ProgramBuilder(machine)
    builder.copy("ssd.dma.weights", builder.read("ssd.nand", size), builder.write("gpu.gddr", size))
    copied_ps = EmbeddedEngine().run(machine, builder.build()).total_ps
    assert move_alone_ps(machine, "ssd.nand", "gpu.gddr", size) == pytest.approx(copied_ps, rel=1e-3)


def test_a_move_by_way_of_the_host_costs_both_copies() -> None:
    machine = drive(64, path="host")
    parts = [
        move_alone_ps(machine, source, target, 10**6)
        for source, target in (("ssd.nand", "host.dram"), ("host.dram", "gpu.gddr"))
    ]
    assert move_alone_ps(machine, "ssd.nand", "gpu.gddr", 10**6) == sum(parts)


ON_FLASH = {
    "machine": {"use": "rtx4090-nvme", "set": {f"devices.ssd.memories.nand.{k}": v for k, v in SET.items()}},
    "policy": {"name": "on-demand", "home": "flash"},
}


def _moves_ps(found: Any, step: int, layer: int) -> list[int]:
    """Durations of a layer's copies, in the order in which they start."""
    prepared, timeline, _ = found
    program = prepared.program
    tags = program.tags[program.events["tag"]]
    chosen = (tags["step"] == step) & (tags["layer"] == layer) & (program.events["kind"] == COPY)
    rows = np.flatnonzero(chosen & (tags["purpose"] == PURPOSES.index("move weights")))
    rows = rows[np.argsort(timeline.start_ps[rows], kind="stable")]
    return (timeline.end_ps[rows] - timeline.start_ps[rows]).tolist()


def test_a_policy_reads_its_experts_from_flash_straight(tiny: Tiny) -> None:
    """By hand: 786,432 bytes an expert, 192 pages; a queue of 32 commands holds them all. The link of 7.56 GB/s is
    narrower than the drive, so all behind the pages of ten dies comes at its rate."""
    found = run_parts(tiny.path, ON_FLASH)
    machine = found[0].machine
    expert = 3 * 256 * 512 * 2
    link = 0.96 * 7.88e9
    way_ps = machine.copy_latency_ps("ssd.dma", "ssd.nand", "gpu.gddr")
    software_ps = found[0].scenario.software.copy_ps
    expected = software_ps + way_ps - DIES * PAGE / PEAK * 1e12 + expert / link * 1e12
    for step, layer in ((1, 0), (2, 1)):
        assert _moves_ps(found, step, layer) == pytest.approx([expected] * 2, abs=2)
    assert found[0].plan.bounce is None
    nand = next(row for row in found[2].memories if row.name == "ssd.nand")
    moves = len(found[0].plan.moves)
    assert (nand.read_bytes, nand.written_bytes) == (moves * expert, 0)


def test_a_policy_reads_its_experts_by_way_of_the_host(tiny: Tiny) -> None:
    """Each is read into its buffer in host memory and copied on; while one goes on the next is read."""
    changes = {"machine": {"use": "rtx4090-nvme", "set": ON_FLASH["machine"]["set"] | _path("host")}}
    prepared, timeline, result = run_parts(tiny.path, ON_FLASH | changes)
    expert, moves = 3 * 256 * 512 * 2, prepared.plan.moves
    program, machine = prepared.program, prepared.machine
    tags = program.tags[program.events["tag"]]
    copies = np.flatnonzero((program.events["kind"] == COPY) & (tags["purpose"] == PURPOSES.index("move weights")))
    assert len(copies) == 2 * len(moves)
    lanes = [program.lanes[lane][0] for lane in program.events["lane"][copies]]
    reads = copies[[name == "ssd.dma" for name in lanes]]
    hops = copies[[name == "gpu.dma" for name in lanes]]
    assert (timeline.start_ps[hops] >= timeline.end_ps[reads]).all()  # lane by lane in the order of the plan
    bounce = prepared.plan.bounce
    assert bounce is not None
    first = program.events["first_access"][reads]
    wanted = bounce.places(moves["expert"], moves["prefetch"])
    assert (program.accesses["address"][first + 1] == wanted).all()
    assert (program.accesses["address"][first] == moves["source"]).all()
    assert (machine.memory_index(wanted) == list(machine.memories).index("host.dram")).all()
    host = next(row for row in result.memories if row.name == "host.dram")
    assert (host.read_bytes, host.written_bytes) == (len(moves) * expert, len(moves) * expert)
    layer = (tags["step"] == 2) & (tags["layer"] == 1)
    (first_read, _), (_, last_hop) = reads[layer[reads]], hops[layer[hops]]
    software_ps = prepared.scenario.software.copy_ps
    parts = [move_alone_ps(machine, *ends, expert) for ends in (("ssd.nand", "host.dram"), ("host.dram", "gpu.gddr"))]
    told_ps = machine.path("ssd.dma", "gpu.dma").latency_ps
    total = 2 * (software_ps + parts[0]) + told_ps + software_ps + parts[1]
    assert timeline.end_ps[last_hop] - timeline.start_ps[first_read] == pytest.approx(total, abs=5)


def _path(name: str) -> dict[str, str]:
    return {"devices.ssd.memories.nand.path": name}


def test_a_home_on_flash_needs_flash(tiny: Tiny) -> None:
    line = refused(tiny, "--set", "policy.home=flash", "--set", "policy.name=lru", "--set", "policy.gpu_experts=null")
    assert "flash" in line


def test_what_does_not_fit_the_drive_is_refused(tiny: Tiny) -> None:
    tiny.write(
        ("{use: h100-cxl-ndp}", '{use: rtx4090-nvme, set: {devices.ssd.memories.nand.capacity: "1 MB"}}'),
        ("{name: cxl-ndp, gpu_experts: 1}", "{name: on-demand, home: flash}"),
    )
    says(refused(tiny), tiny.path, "experts (fp16) in ssd.nand", "needed", "at most the 1 MB left of 1 MB")
