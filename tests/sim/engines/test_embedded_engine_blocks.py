"""A run in blocks is the run of the whole, to the picosecond, and keeps little of what is over."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event
from hypothesis import strategies as st

from moe_cosim.errors import InputError, RunError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.base import Engine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.engine.machines import GB_PER_S, memory, one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program
from tests.drawn import drawn

FEW, MANY = 40, 100


def cut(case: RandomCase, machine: Machine, places: list[int]) -> list[Program]:
    """The case's steps up to each place, as a block. Steps are in an order that works, so no wait names a later one."""
    whole = case.program(machine)
    lanes = [machine.lane_id(*lane.split(".")) for _, lane, _ in case.steps]
    block_of_step = np.searchsorted(places, np.arange(len(lanes)), side="right")
    block_of_row = block_of_step[np.argsort(lanes, kind="stable")]
    return [replace(whole, events=whole.events[block_of_row == block]) for block in range(len(places) + 1)]


def same(found: Iterator[Timeline], expected: Iterator[Timeline]) -> None:
    for one, other in zip(found, expected, strict=True):
        for name, column in vars(other).items():
            np.testing.assert_array_equal(vars(one)[name], column, err_msg=name)


@drawn(FEW, MANY, case=cases(max_steps=24, internal_peaks=True), place=st.integers(0, 24))
def test_two_blocks_are_the_whole(case: RandomCase, place: int) -> None:
    machine = case.machine()
    blocks = cut(case, machine, [place])
    same(EmbeddedEngine().run_blocks(machine, blocks), Engine.run_blocks(EmbeddedEngine(), machine, blocks))


@drawn(
    FEW,
    MANY,
    case=cases(max_steps=24, internal_peaks=True),
    places=st.lists(st.integers(0, 24), max_size=8).map(sorted),
    slice_events=st.integers(1, 5),
)
def test_many_blocks_are_the_whole_or_say_that_a_lane_comes_late(
    case: RandomCase, places: list[int], slice_events: int
) -> None:
    machine = case.machine()
    blocks = cut(case, machine, places)
    engine = EmbeddedEngine(slice_events)
    found: list[Timeline] = []
    late = ""
    try:
        found = list(engine.run_blocks(machine, blocks))
    except RunError as error:
        late = str(error)
    event("late" if late else "whole")
    if late:
        assert "skips a block" in late
    else:
        same(iter(found), Engine.run_blocks(engine, machine, blocks))


@pytest.mark.parametrize("name", ["monde-mixtral-8x22b", "trimoe-deepseek-v2", "hobbit-mixtral-8x7b"])
@pytest.mark.parametrize("steps", [1, 2])
def test_lowered_steps_in_blocks_are_the_whole(name: str, steps: int) -> None:
    settings = {"workload.prompt_tokens": 8, "workload.output_tokens": 6}
    prepared = prepare(load_experiment(name, settings))
    step = prepared.program.tags["step"][prepared.program.events["tag"]]
    programs = [
        replace(prepared.program, events=prepared.program.events[step // steps == block])
        for block in range(int(step.max()) // steps + 1)
    ]
    engine = EmbeddedEngine()
    same(engine.run_blocks(prepared.machine, programs), Engine.run_blocks(engine, prepared.machine, programs))


def test_a_block_is_given_out_and_forgotten_when_it_has_ended() -> None:
    machine = one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S))
    alive: list[weakref.ref[object]] = []

    def blocks() -> Iterator[Program]:
        for number in range(50):
            builder = ProgramBuilder(machine)
            for _ in range(40):
                builder.stream("u.l0", builder.read("m", 1000)).stream("u.l1", builder.read("m", 500))
            builder.signal("u.l0", number)
            program = builder.build()
            if number:
                builder.wait("u.l1", number - 1)
                wait = builder.build().events[-1:].copy()
                wait["count"] = 1
                program = replace(program, events=np.concatenate([program.events, wait]))
            alive.append(weakref.ref(program.events))
            yield program

    gc.freeze()  # fifty collections of all that other tests have left would take half a minute
    try:
        for number, timeline in enumerate(EmbeddedEngine().run_blocks(machine, blocks())):
            assert timeline.end_ps[40] > 0
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 3
            assert len(alive) <= number + 3
    finally:
        gc.unfreeze()
    assert number == 49


def test_a_signal_of_long_ago_still_binds_who_was_not_there_yet() -> None:
    """The wait of the idle lane is in the next block, so the lane goes on when the signal of this one arrives."""
    machine = one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S))
    first, second = ProgramBuilder(machine), ProgramBuilder(machine)
    first.compute("u.l0", 10).signal("u.l0", 0).compute("u.l0", 1_000)
    second.wait("u.l1", 0).stream("u.l1", second.read("m", 100)).compute("u.l0", 5)
    later = second.build()
    later.events["count"][later.events["kind"] == 4] = 1
    timelines = list(EmbeddedEngine().run_blocks(machine, [first.build(), later]))
    assert timelines[1].end_ps.tolist() == [1_015, 10, 1_010]
    assert timelines[1].last_signal is not None
    assert timelines[1].last_signal.tolist() == [-1, 1, -1]


def test_a_lane_that_comes_late_is_refused() -> None:
    machine = one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S))
    builders = [ProgramBuilder(machine) for _ in range(4)]
    for builder in builders:
        builder.stream("u.l0", builder.read("m", 1000))
    builders[3].stream("u.l1", builders[3].read("m", 1000))
    with pytest.raises(RunError, match=r"u\.l1 skips a block"):
        list(EmbeddedEngine().run_blocks(machine, [builder.build() for builder in builders]))


def test_a_deadlock_in_a_later_block_names_its_events_through_the_run() -> None:
    machine = one_memory([unit("a"), unit("b")])
    first, second = ProgramBuilder(machine), ProgramBuilder(machine)
    first.compute("a.l0", 5).compute("b.l0", 5)
    second.wait("a.l0", 7).signal("a.l0", 8)
    second.wait("b.l0", 8).signal("b.l0", 7)
    with pytest.raises(RunError, match=r"a\.l0 at event 2 \(token 7\), b\.l0 at event 4 \(token 8\)"):
        list(EmbeddedEngine().run_blocks(machine, [first.build(), second.build()]))


def test_a_later_block_is_checked_too() -> None:
    machine = one_memory([unit("u")], memory(capacity=1 << 20))
    first, second = ProgramBuilder(machine), ProgramBuilder(machine)
    first.stream("u.l0", first.read("m", 64))
    second.stream("u.l0", second.read("m", 64), second.read("m", 64, 1 << 20))
    with pytest.raises(InputError, match=r"accesses\[1\]: found 0x100000 \+ 64 bytes"):
        list(EmbeddedEngine().run_blocks(machine, [first.build(), second.build()]))
