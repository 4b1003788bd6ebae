"""`check_plan` finds what is wrong with a plan, one rule at a time; the timeline checks too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from moe_cosim.hw_models.formats import find_format
from moe_cosim.sim.engines.base import engines
from moe_cosim.testing.policy.plan_check import PlanError, check_plan
from moe_cosim.testing.policy.timeline_check import check_causality, check_dispatch, check_slots
from moe_cosim.workloads.address_map import Region
from moe_cosim.workloads.blocks import Block
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.programs.program import SIGNAL, STREAM, WAIT, Program
from tests.workloads.hand_made import Decided, decided, lower_plan, routing

ROUTED = routing([[(0, 1), (2, 3)], [(1, 2), (2, 0)]], [[(0, 1), (1, 2)], [(2, 3), (0, 3)]], 4)


def check(found: Decided, plan: Plan | None = None, **changed: Any) -> None:
    arguments: dict[str, Any] = {
        "plan": plan or found.plan,
        "demand": found.scenario.demand,
        "machine": found.scenario.machine,
        "addresses": found.scenario.addresses,
        "expert_bytes_by_format": {f: f.expert_bytes(found.scenario.model.expert) for f in found.plan.formats},
        "may_skip": found.policy.may_skip,
        "allowed_formats": found.policy.formats(),
    }
    check_plan(**(arguments | changed))


def lru() -> Decided:
    return decided(ROUTED, "lru", {"cache_experts": 1, "speculative": True})


def monde() -> Decided:
    return decided(ROUTED, "monde")


def edited(plan: Plan, table: str, row: int, **values: int) -> Plan:
    rows = getattr(plan, table).copy()
    for name, value in values.items():
        rows[name][row] = value
    return replace(plan, **{table: rows})


def without(plan: Plan, row: int) -> Plan:
    return replace(plan, runs=np.delete(plan.runs, row))


def test_good_plans_pass() -> None:
    for found in (lru(), monde()):
        check(found)


BROKEN: dict[str, tuple[Callable[[], Decided], Callable[[Plan], Plan], str]] = {
    "a token left out": (
        monde,
        lambda plan: without(plan, len(plan.runs) - 1),
        "step 2 layer 1 expert 3: its 1 tokens are never computed",
    ),
    "too few tokens": (
        monde,
        lambda plan: edited(plan, "runs", 0, tokens=1),
        "step 0 layer 0 expert 1: 1 tokens computed of 2 routed",
    ),
    "a run twice": (
        monde,
        lambda plan: replace(plan, runs=np.insert(plan.runs, 1, plan.runs[0])),
        "step 0 layer 0 expert 1: computed twice, or never asked for",
    ),
    "an expert nobody asked for": (
        monde,
        lambda plan: edited(plan, "runs", len(plan.runs) - 1, expert=1),
        "step 2 layer 1 expert 1: computed twice, or never asked for",
    ),
    "rows out of order": (
        monde,
        lambda plan: replace(plan, runs=plan.runs[::-1]),
        r"runs: \(step, layer\) .* comes after",
    ),
    "another expert's copy": (
        monde,
        lambda plan: edited(plan, "runs", 2, address=plan.residents["address"][1], move=-1),
        "step 0 layer 0 expert .: the copy at .* is layer 0 expert 1 at fp16",
    ),
    "no copy at all": (
        monde,
        lambda plan: edited(plan, "runs", 2, address=plan.residents["address"][1] + 4096, move=-1),
        "step 0 layer 0 expert .: no copy is resident at",
    ),
    "memory that is not beside the unit": (
        monde,
        lambda plan: edited(plan, "runs", 0, unit=plan.units.index("ndp.core")),
        "step 0 layer 0 expert 1: ndp.core computes from .* not in the memory beside it",
    ),
    "another move than the one into the slot": (
        lru,
        lambda plan: edited(plan, "runs", 3, move=0),
        "step 0 layer 1 expert 0: reads .*, its move goes to",
    ),
    "a move that does not exist": (
        monde,
        lambda plan: edited(plan, "runs", 0, move=99),
        "step 0 layer 0 expert 1: move 99 does not exist",
    ),
    "a move of another expert": (
        monde,
        lambda plan: edited(plan, "moves", 0, expert=3, source=plan.residents["address"][3]),
        "step 0 layer 0 expert 1: the copy at .* is layer 0 expert 3",
    ),
    "a source with another expert": (
        lru,
        lambda plan: edited(plan, "moves", 0, source=plan.residents["address"][3]),
        "of layer 0, but its source is layer 0 expert 3",
    ),
    "a source that is no home": (
        lru,
        lambda plan: edited(plan, "moves", 1, source=plan.moves["target"][0]),
        "its source .* may not have arrived",
    ),
    "a slot taken while it is read": (
        lru,
        lambda plan: edited(plan, "moves", 1, after_run=-1),
        "step 0 layer 0 expert 0: its slot is overwritten at step 0 layer 0 by layer 0 expert 1, which does not wait",
    ),
    "a slot taken after the wrong run": (
        lru,
        lambda plan: edited(plan, "moves", 2, after_run=0),
        "step 0 layer 0 expert 1: its slot is overwritten",
    ),
    "a move that waits for its own run": (
        lru,
        lambda plan: edited(plan, "moves", 1, after_run=1),
        "waits for run 1, which waits for it",
    ),
    "a move that waits for a later layer": (
        lru,
        lambda plan: edited(plan, "moves", 0, after_run=len(plan.runs) - 1),
        "which comes later",
    ),
    "overlapping slots": (
        monde,
        lambda plan: edited(plan, "moves", 0, target=plan.moves["target"][0] + 4096),
        "slots at .* overlap",
    ),
    "a slot outside all regions": (
        monde,
        lambda plan: edited(plan, "residents", 7, address=plan.residents["address"][-1] + (1 << 34)),
        "lies in no region",
    ),
    "two residents in one place": (
        monde,
        lambda plan: replace(plan, residents=np.insert(plan.residents, 1, plan.residents[0])),
        "two residents at",
    ),
}


@pytest.mark.parametrize(("make", "change", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_named(make: Callable[[], Decided], change: Callable[[Plan], Plan], message: str) -> None:
    found = make()
    with pytest.raises(PlanError, match=message):
        check(found, change(found.plan))


def test_a_run_before_its_move_is_issued() -> None:
    found = lru()
    moves = found.plan.moves.copy()
    moves["step"][-1] = 9
    with pytest.raises(PlanError, match="step 2 layer 1 expert 3: its move is issued later, at step 9"):
        check(found, replace(found.plan, moves=moves))


def test_formats_must_be_allowed() -> None:
    with pytest.raises(PlanError, match="step 0 layer 0 expert 1: computed at fp16, which the policy does not allow"):
        check(monde(), allowed_formats=[find_format("int4")])


def test_skips_are_for_those_who_may() -> None:
    found = decided(ROUTED, "hobbit", {"t1": 0.3, "t2": 0.4})
    assert len(found.plan.skips)
    check(found)
    with pytest.raises(PlanError, match="skipped, by a policy that may not"):
        check(found, may_skip=False)


def test_regions_and_memories_hold_what_is_put_there() -> None:
    found = monde()
    small = replace(found.scenario.machine.memories["ndp.dram"], capacity_bytes=1 << 20)
    memories = {**found.scenario.machine.memories, "ndp.dram": small}
    machine = found.scenario.machine
    original = machine.memories
    try:
        machine.memories = memories
        with pytest.raises(PlanError, match=r"bytes of experts in ndp.dram, which has 1048576"):
            check(found, machine=machine)
    finally:
        machine.memories = original
    first = found.scenario.addresses.regions[0]
    found.scenario.addresses.regions.append(Region("intruder", first.memory, first.address + 8192, 4096))
    with pytest.raises(PlanError, match=r"regions .* overlap"):
        check(found)


# -- the timeline checks see a program that does not keep the plan's order ----------------------


def carried_out(found: Decided, program: Program) -> Prepared:
    return Prepared(found.experiment, found.scenario, found.policy, [Block(found.plan, program)])


def without_waits(program: Program, lane: tuple[str, str]) -> Program:
    """The lane waits for nothing."""
    events = program.events
    waiting = (events["lane"] == program.lanes.index(lane)) & (events["kind"] == WAIT)
    assert waiting.any()
    return replace(program, events=events[~waiting])


def checked(found: Decided, program: Program) -> None:
    prepared = carried_out(found, program)
    timeline = engines.get("embedded")().run(prepared.machine, program)
    check_slots(prepared, timeline)
    check_causality(prepared, timeline)
    check_dispatch(prepared, timeline)


@pytest.mark.parametrize(
    ("make", "lane"),
    [
        (lru, ("gpu.sm", "main")),
        (lru, ("gpu.dma", "weights")),
        (lru, ("gpu.dma", "prefetch")),
        (monde, ("gpu.dma", "activations")),
        (monde, ("ndp.core", "main")),
        (monde, ("gpu.sm", "main")),
    ],
)
def test_a_lane_that_does_not_wait_is_noticed(make: Callable[[], Decided], lane: tuple[str, str]) -> None:
    found = make()
    program = lower_plan(found.scenario, found.plan)
    checked(found, program)
    with pytest.raises(AssertionError):
        checked(found, without_waits(program, lane))


def test_moves_that_do_not_wait_for_a_run_are_noticed() -> None:
    found = lru()
    heedless = found.plan.moves.copy()
    heedless["after_run"] = -1
    with pytest.raises(AssertionError, match="begins before"):
        checked(found, lower_plan(found.scenario, replace(found.plan, moves=heedless)))


def test_a_kernel_on_another_slot_is_noticed() -> None:
    found = lru()
    program = lower_plan(found.scenario, found.plan)
    checked(found, program)
    kernels = np.flatnonzero((program.events["kind"] == STREAM) & (program.tags["expert"] >= 0))
    first, last = program.events["first_access"][kernels[[0, -1]]]
    accesses = program.accesses.copy()
    accesses["address"][first] = accesses["address"][last]
    with pytest.raises(AssertionError, match="holds"):
        checked(found, replace(program, accesses=accesses))


def test_every_wait_is_for_a_signal_and_every_signal_but_that_of_an_unused_copy_is_waited_for() -> None:
    for found in (lru(), monde()):
        events = lower_plan(found.scenario, found.plan).events
        signals = set(events["token"][events["kind"] == SIGNAL].tolist())
        waits = set(events["token"][events["kind"] == WAIT].tolist())
        unused = len(found.plan.moves) - len(set(found.plan.runs["move"].tolist()) - {-1})
        assert waits <= signals
        assert len(signals - waits) <= unused
