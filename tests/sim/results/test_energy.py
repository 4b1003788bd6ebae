"""Joules against closed forms on programs of a few events, and what must hold of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.components import Link, Memory, Switch, Unit
from moe_cosim.hw_models.energy import MemoryEnergy, TransferEnergy, UnitEnergy
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.results.energy.account import EnergyAccount, Times, account
from moe_cosim.sim.results.energy.event_counts import PURPOSE_COUNT
from moe_cosim.sim.results.energy.tally import EnergyTally
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.testing.engine.machines import memory, unit
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import CONTENTS, PHASES, PURPOSES
from moe_cosim.workloads.scenario import Scenario
from tests.sim.results.test_metrics import RUNS
from tests.sim.tiny import Tiny, cli, run_parts

SIZE = 50_000_000
DRAM = MemoryEnergy(1e-9, 3e-12, 4e-12, 1e-12, 5.0, 2.0)
CORES = UnitEnergy(70.0, 20.0, 100.0, 10e-12, (("bf16", 1e-12),), 40e-12)
WIRE = TransferEnergy(4e-12, 1.5)


@pytest.fixture
def scenario(tiny: Tiny) -> Scenario:
    return prepare(load_experiment(tiny.path)).scenario


def _took(scenario: Scenario, machine: Machine, build: Callable[[ProgramBuilder], object]) -> EnergyAccount:
    """Of the program that `build` writes; its time is part of the tokens' decode."""
    builder = ProgramBuilder(machine)
    build(builder)
    program = builder.build()
    timeline = EmbeddedEngine().run(machine, program)
    tally, activity = EnergyTally(replace(scenario, machine=machine)), Activity(machine)
    tally.add(program, timeline)
    activity.add(program, timeline, is_last=True)
    total_s = timeline.total_ps / 1e12
    return account(machine, tally, activity.busy, Times(total_s, total_s, 2, 2))


def _joules(found: EnergyAccount) -> dict[tuple[str, str], float]:
    return {(row.component, row.cause): row.joules for row in found.components}


def _pair(cores: UnitEnergy | None = CORES, wire: TransferEnergy | None = WIRE, lanes: int = 1) -> Machine:
    """Two memories at 100 GB/s, each by a link of 50 GB/s at a switch of its own; the unit is beside the first."""
    parts: list[Memory] = [
        replace(memory("m"), energy=DRAM),
        replace(memory("far", base=1 << 40), energy=DRAM),
    ]
    units: list[Unit] = [replace(unit("u", lanes), energy=cores), unit("dma", kind="dma")]
    links = [
        Link("u-x", ("u", "x"), np.inf, 1.0, 0),
        Link("dma-x", ("dma", "x"), np.inf, 1.0, 0),
        Link("m-x", ("m", "x"), np.inf, 1.0, 0),
        Link("x-s", ("x", "s"), 50e9, 1.0, 0, energy=wire),
        Link("s-far", ("s", "far"), 50e9, 1.0, 0, energy=wire),
    ]
    switches = [Switch("x", 0, np.inf), Switch("s", 0, np.inf, energy=TransferEnergy(2e-12, 10.0))]
    return Machine("pair", units, parts, links, switches)


def test_a_read_takes_its_bits_and_what_is_there_all_the_time(scenario: Scenario) -> None:
    found = _took(scenario, _pair(), lambda program: program.stream("u.l0", program.read("m", SIZE)))
    seconds = SIZE / 100e9
    assert _joules(found) == pytest.approx(
        {
            ("m", "read"): SIZE * 8 * 3e-12,
            ("u", "on chip"): SIZE * 8 * 10e-12,
            ("u", "active"): 20.0 * seconds,
            ("u", "static"): 70.0 * seconds,
            ("m", "background"): 5.0 * seconds,
            ("far", "background"): 5.0 * seconds,
            ("m", "refresh"): 2.0 * seconds,
            ("far", "refresh"): 2.0 * seconds,
            ("x-s", "static"): 1.5 * seconds,
            ("s-far", "static"): 1.5 * seconds,
            ("s", "static"): 10.0 * seconds,
        },
        rel=1e-9,
    )
    assert found.summary.mean_w == pytest.approx(found.summary.joules / seconds)
    assert found.summary.joules_per_token == pytest.approx(found.summary.joules / 2)
    assert found.summary.energy_delay_js == pytest.approx(found.summary.joules * seconds)
    assert found.summary.unknown == []


def test_a_copy_takes_both_memories_each_link_and_the_switch_between(scenario: Scenario) -> None:
    found = _joules(_took(scenario, _pair(), lambda p: p.copy("dma.l0", p.read("m", SIZE), p.write("far", SIZE))))
    assert found["m", "read"] == pytest.approx(SIZE * 8 * 3e-12)
    assert found["far", "write"] == pytest.approx(SIZE * 8 * 4e-12)
    assert found["x-s", "transfer"] == found["s-far", "transfer"] == pytest.approx(SIZE * 8 * 4e-12)
    assert found["s", "transfer"] == pytest.approx(SIZE * 8 * 2e-12)
    assert ("u", "active") not in found  # a copy engine is counted in the unit beside it
    assert ("u", "on chip") not in found


def test_each_pair_of_a_copy_counts_its_own_way(scenario: Scenario) -> None:
    """Two pieces go out and one comes back: what is read, then where it is written."""
    there, back = SIZE, 3 * SIZE

    def both_ways(p: ProgramBuilder) -> None:
        out = p.read("m", there), p.write("far", there)
        p.copy("dma.l0", *out, p.read("far", back), p.write("m", back), *out)

    found = _joules(_took(scenario, _pair(), both_ways))
    assert found["m", "read"] == pytest.approx(2 * there * 8 * 3e-12)
    assert found["m", "write"] == pytest.approx(back * 8 * 4e-12)
    assert found["far", "read"] == pytest.approx(back * 8 * 3e-12)
    assert found["far", "write"] == pytest.approx(2 * there * 8 * 4e-12)
    assert found["x-s", "transfer"] == pytest.approx((2 * there + back) * 8 * 4e-12)


def test_lanes_side_by_side_are_active_once(scenario: Scenario) -> None:
    def both(program: ProgramBuilder) -> None:
        program.compute("u.l0", busy_ps=4_000_000).compute("u.l1", busy_ps=6_000_000)

    assert _joules(_took(scenario, _pair(lanes=2), both))["u", "active"] == pytest.approx(20.0 * 6e-6)


def test_what_has_no_figures_is_named_and_in_no_sum(scenario: Scenario) -> None:
    machine = _pair(cores=None, wire=None)
    found = _took(scenario, machine, lambda p: p.stream("u.l0", p.read("far", SIZE)))
    assert found.summary.unknown == ["u", "x-s", "s-far"]
    assert {component for component, _ in _joules(found)} == {"m", "far", "s"}


def test_products_count_two_operations_a_weight_and_token_and_what_is_unpacked(scenario: Scenario) -> None:
    """Head weights in 16 bits: two bytes a weight; none are unpacked."""
    machine = replace_model(_pair(), scenario)
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 2_000), tag=builder.tag(1, PURPOSES.index("head")))
    program = builder.build()
    program.tags["tokens"] = 3
    timeline = EmbeddedEngine().run(machine, program)
    tally = EnergyTally(replace(scenario, machine=machine))
    tally.add(program, timeline)
    assert tally.by_use[:, tally.columns.operations : tally.columns.active].sum() == 2 * 3 * 1_000
    assert tally.by_use[:, tally.columns.unpacked :].sum() == 0


def replace_model(machine: Machine, scenario: Scenario) -> Machine:
    """`machine` whose unit computes as the scenario's GPU does."""
    return machine.with_models({"u": scenario.machine.main_unit.model, "dma": None})


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_components_and_purposes_and_power_over_time_come_to_the_same(tiny: Tiny, changes: dict[str, object]) -> None:
    _, timeline, result = run_parts(tiny.path, changes)
    total, energy = timeline.total_ps / 1e12, result.energy
    assert energy is not None
    assert energy.joules > 0
    assert sum(row.joules for row in result.energy_components) == pytest.approx(energy.joules)
    assert sum(row.joules for row in result.energy_purposes) == pytest.approx(energy.joules)
    assert sum(row.share for row in result.energy_components) == pytest.approx(1)
    in_decode = sum(row.joules for row in result.energy_purposes if row.phase == "decode")
    assert in_decode == pytest.approx(energy.decode_joules)
    assert energy.mean_w * total == pytest.approx(energy.joules)
    power = result.power_over_time
    assert power is not None
    integral = {name: sum(watts) * power.span_s for name, watts in power.watts.items()}
    for name, joules in integral.items():
        mine = sum(row.joules for row in result.energy_components if row.component == name)
        assert joules == pytest.approx(mine, rel=1e-4, abs=1e-12)
    assert min(min(watts) for watts in power.watts.values()) >= 0
    assert (len(next(iter(power.watts.values()))) - 1) * power.span_s < total


def test_bytes_and_operations_are_those_of_the_events(tiny: Tiny) -> None:
    prepared, timeline, _ = run_parts(tiny.path, {"workload.batch": 3})
    tally = EnergyTally(prepared.scenario)
    tally.learn(prepared.whole.plan.formats)
    program = prepared.whole.program
    tally.add(program, timeline)
    columns, weights = tally.columns, CONTENTS.index("weights")
    read = written = 0
    operations = dict.fromkeys(range(len(PHASES) * PURPOSE_COUNT), 0.0)
    sizes = {each.bits: each.expert_bytes(prepared.scenario.model.expert) for each in prepared.whole.plan.formats}
    for event in program.events:
        tag = program.tags[event["tag"]]
        for row in program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]:
            read += int(row["bytes"]) * (row["op"] == 0)
            written += int(row["bytes"]) * (row["op"] == 1)
            if tag["purpose"] == PURPOSES.index("expert") and row["what"] == weights:
                values = int(row["bytes"]) * prepared.scenario.model.expert.weights / sizes[int(tag["weight_bits"])]
                operations[int(tag["phase"]) * PURPOSE_COUNT + int(tag["purpose"])] += 2 * int(tag["tokens"]) * values
    counted = tally.by_use.sum(axis=0)
    copies = counted[columns.copies : columns.rows].sum()
    streams = counted[: columns.copies].reshape(columns.units, columns.memories, 2).sum(axis=(0, 1))
    assert (streams[0] + copies, streams[1] + copies) == (read, written)
    of_use = tally.by_use[:, columns.operations : columns.active].sum(axis=1)
    for phase in range(len(PHASES)):
        use = phase * PURPOSE_COUNT + PURPOSES.index("expert")
        assert of_use[use] == pytest.approx(operations[use], abs=len(program.events))
        assert of_use[use] > 0
    assert (tally.over_time.sum(axis=0) == counted).all()


def test_counts_over_time_are_spread_evenly_and_none_is_lost(scenario: Scenario) -> None:
    """An event of even work has as much in each span, and spans that doubled lose nothing."""

    def counts(*busy_ps: int) -> np.ndarray:
        machine = _pair()
        builder = ProgramBuilder(machine)
        for index, busy in enumerate(busy_ps):
            builder.stream("u.l0", builder.read("m", 1_000 + index), busy_ps=busy)
        program = builder.build()
        tally = EnergyTally(replace(scenario, machine=machine))
        timeline = EmbeddedEngine().run(machine, program)
        tally.add(program, timeline)
        assert (tally.over_time.sum(axis=0) == tally.by_use.sum(axis=0)).all()
        assert timeline.total_ps <= tally.span_ps * len(tally.over_time) < 4 * max(timeline.total_ps, 64_000_000)
        return tally.over_time

    long = counts(5_000_000_000)
    columns = long[:, -6]  # ps in which the unit's lane works: a span of them in each span
    assert columns.sum() == 5_000_000_000
    assert np.ptp(columns[:30]) <= 2
    counts(*[3_000_000] * 400)


def test_an_event_counts_in_the_spans_it_takes_time_of(scenario: Scenario) -> None:
    """One ps less than two spans is nothing of the third; one more is."""
    machine = _pair()
    empty = EnergyTally(replace(scenario, machine=machine))
    for more_ps, spans in ((-1, 2), (0, 2), (1, 3)):
        builder = ProgramBuilder(machine)
        program = builder.stream("u.l0", builder.read("m", 1_000), busy_ps=2 * empty.span_ps + more_ps).build()
        timeline = EmbeddedEngine().run(machine, program)
        assert (int(timeline.start_ps[0]), int(timeline.end_ps[0])) == (0, 2 * empty.span_ps + more_ps)
        tally = EnergyTally(replace(scenario, machine=machine))
        tally.add(program, timeline)
        assert np.flatnonzero(tally.over_time.any(axis=1)).tolist() == list(range(spans))
        assert tally.over_time.min() >= 0


def test_a_run_says_what_it_took(tiny: Tiny) -> None:
    shown = cli("run", tiny.path)
    assert shown.exit_code == 0
    assert "a token" in shown.stdout
    assert "energy, by component" in shown.stdout
    table = cli("run", tiny.path, "--csv", "--table", "energy").stdout.splitlines()
    assert table[0] == "component,kind,cause,joules,mean_w,share"
    assert any(line.startswith("gpu.sm,unit,static,") for line in table)


def test_bytes_over_links_are_said_once_and_link_by_link(tiny: Tiny) -> None:
    """From the GPU over a switch to the device: two links."""
    result = run_parts(tiny.path, {"policy": {"name": "monde"}, "workload.batch": 2})[2]
    moved = [row for row in result.traffic.values() if row.link_bytes]
    assert moved
    assert all(row.link_bytes == 2 * (row.crossed_bytes or 0) for row in moved)


@pytest.mark.parametrize("more_ps", [0, 7])
def test_software_s_work_on_sequences_is_what_a_step_takes_beyond_its_own(scenario: Scenario, more_ps: int) -> None:
    machine, step_ps = _pair(), scenario.software.step_ps
    builder = ProgramBuilder(machine)
    program = builder.compute("u.l0", step_ps + more_ps, tag=builder.tag(1, PURPOSES.index("host"))).build()
    program.tags["layer"], program.tags["tokens"] = -1, 0
    tally = EnergyTally(replace(scenario, machine=machine))
    tally.add(program, EmbeddedEngine().run(machine, program))
    columns = tally.columns
    assert tally.by_use[:, columns.software : columns.software + columns.units].sum() == more_ps
    assert tally.by_use[:, columns.active : columns.software].sum() == 0
