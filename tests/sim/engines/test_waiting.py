"""Lines that wait: flows that their windows limit, on resources that take turns and on links with credits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.hw_models.components import Link, Switch
from moe_cosim.hw_models.cxl.lanes import Lanes
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory, one_memory, star, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder

MB = 10**6
LINE = 64
LANES = Lanes("32 GT/s", 16)


def ends_ps(machine: Machine, sizes: Sequence[int], far: str, line: int) -> list[int]:
    """When each unit has read its bytes, all starting together."""
    builder = ProgramBuilder(machine)
    for number, (name, size) in enumerate(zip(machine.units, sizes, strict=True)):
        builder.stream(f"{name}.l0", builder.read(far, size, number * 4 * MB))
    return [int(end) for end in EmbeddedEngine(line_bytes=line).run(machine, builder.build()).end_ps]


@pytest.mark.parametrize("queued", [1, 2, 5])
def test_where_flows_take_turns_a_line_waits_for_one_of_each_that_has_a_queue(queued: int) -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=100_000)
    units = [unit("few", window_bytes=512), *(unit(f"many{n}", window_bytes=1e6) for n in range(queued))]
    few, *_ = ends_ps(one_memory(units, part), [50_000, *[3 * MB] * queued], "m", 256)
    line_ps = 2560
    turn_ps = 100_000 + line_ps + (queued + 0.5) * line_ps
    assert few == pytest.approx(100_000 + 50_000 / 512 * turn_ps, abs=2)


def test_without_a_queue_nothing_waits() -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=100_000)
    units = [unit(name, window_bytes=512) for name in ("a", "b", "c")]
    assert ends_ps(one_memory(units, part), [50_000] * 3, "m", 256) == [round(100_000 + 50_000 / 512 * 102_560)] * 3


def expander(windows: Sequence[float], credits: int, conflicts: RowConflicts | None = None) -> Machine:
    """Units on one link with credits; its memory is fast, and 50 of 200 ns of the latency lie before the link."""
    protocol = CxlProtocol("68", LANES, credits=credits)
    carrying = Link("link", ("hub", "far"), LANES.bytes_per_s, 1 / protocol.read.s2m, 0, protocol)
    memories = [memory("m", 1 << 40), replace(memory("far", rate=1e15, latency_ps=150_000), conflicts=conflicts)]
    units = [unit(f"u{n}", window_bytes=window) for n, window in enumerate(windows)]
    wires = [link(part.name, "hub", latency_ps=25_000) for part in units]
    return star(units, memories, [*wires, link("m", "hub"), carrying], Switch("hub", 0, math.inf))


def rate_of(windows: Sequence[float], credits: int) -> float:
    """Bytes/ps of all units together, which read equal parts side by side."""
    size = 2 * MB
    last = max(ends_ps(expander(windows, credits), [size] * len(windows), "far", LINE))
    return size * len(windows) / (last - 200_000)


@pytest.mark.parametrize("credits", [1, 10, 100])
def test_no_more_lines_than_credits_are_under_way(credits: int) -> None:
    flit_ps = 68 / 0.064
    held_ps = 150_000 + 2 * round(flit_ps)
    assert rate_of([math.inf], credits) == pytest.approx(credits * LINE / held_ps, rel=1e-3)
    assert rate_of([math.inf] * 3, credits) == pytest.approx(credits * LINE / held_ps, rel=1e-3)


@pytest.mark.parametrize("lines", [4, 10, 20, 40])
def test_below_saturation_the_queue_is_that_of_bursts_that_come_at_random(lines: int) -> None:
    cores = 8
    link_rate = CxlProtocol("68", LANES).bytes_per_s(1.0) * 1e-12
    found = rate_of([lines * LINE] * cores, 4096)
    load = found / link_rate
    service_ps = LINE / link_rate
    queue_ps = cores * lines * LINE / found - 200_000  # Little's law
    assert load < 1
    assert queue_ps == pytest.approx(service_ps * cores * load / (2 * (1 - load)), rel=0.02, abs=50)


def test_a_few_lines_stand_behind_all_that_have_credits() -> None:
    few, _ = ends_ps(expander([LINE, 1e6], 600), [50 * LINE, 3 * MB], "far", LINE)
    link_rate = CxlProtocol("68", LANES).bytes_per_s(1.0) * 1e-12
    before_ps = 50_000 - 2 * round(68 / 0.064)  # the rest of the way is in the credits' loop
    assert few == pytest.approx(200_000 + 50 * (600 * LINE / link_rate + before_ps), rel=0.01)


@pytest.mark.parametrize("lines", [2, 8, 20, 40])
def test_rows_of_others_are_waited_for_under_the_load_that_there_is(lines: int) -> None:
    cores, rows = 8, RowConflicts(64, 700_000, 30_000, 30_000)
    apart = ends_ps(expander([lines * LINE] * cores, 4096, rows), [2 * MB] * cores, "far", LINE)
    found = cores * 2 * MB / (max(apart) - 200_000)
    link_rate = CxlProtocol("68", LANES).bytes_per_s(1.0) * 1e-12
    load = found / link_rate
    queue_ps = LINE / link_rate * cores * load / (2 * (1 - load))
    latency_ps = cores * lines * LINE / found  # Little's law
    assert latency_ps == pytest.approx(200_000 + rows.wait_ps(found * 1e12, 0) + queue_ps, rel=0.02)
    assert latency_ps > 205_000


def test_lines_that_are_written_over_a_link_with_credits_stand_in_its_queue_too() -> None:
    lines, cores = 20, 8
    machine = expander([lines * LINE] * cores, 4096)
    builder = ProgramBuilder(machine)
    for number, name in enumerate(machine.units):
        builder.stream(f"{name}.l0", builder.write("far", 2 * MB, number * 4 * MB))
    end_ps = int(EmbeddedEngine(line_bytes=LINE).run(machine, builder.build()).end_ps.max())
    assert end_ps == pytest.approx(max(ends_ps(machine, [2 * MB] * cores, "far", LINE)), rel=0.01)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 64), min_size=2, max_size=4), st.integers(32, 600))
def test_the_order_of_units_changes_no_picosecond(lines: list[int], credits: int) -> None:
    found = []
    for order in itertools.islice(itertools.permutations(range(len(lines))), 4):
        machine = expander([lines[n] * LINE for n in order], credits)
        ends = ends_ps(machine, [200_000 + 64 * lines[n] for n in order], "far", LINE)
        found.append(sorted(zip((lines[n] for n in order), ends, strict=True)))
    assert all(one == found[0] for one in found)
