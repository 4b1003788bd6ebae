"""Plans that stripe, relocate, share and defer, written by hand on the machine of DIMM-NDPs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.formats import FP16
from moe_cosim.hw_models.software import Software
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.policy.plan_check import PlanError, check_plan
from moe_cosim.testing.policy.timeline_check import check_causality, check_dispatch, check_slots
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.blocks import Block
from moe_cosim.workloads.layout import place_model
from moe_cosim.workloads.lowering import Lowering
from moe_cosim.workloads.plan import Copy, Plan, PlanBuilder
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.programs.program import CONTENTS, COPY, READ, STREAM, WRITE, Program
from moe_cosim.workloads.scenario import Scenario
from moe_cosim.workloads.stripes import STRIPED, Stripes
from tests.workloads.hand_made import model, routing, scenario

LAYERS, EXPERTS, STEPS = 3, 4, 3
SLOW = Software("slow", "a nanosecond per layer", 0, 0, 1000, 0, 0, 0, 0, {})
SIZE = FP16.expert_bytes(model(1, 1, 1).expert)
EVERY = [[(0, 1, 2, 3)] * LAYERS]


@dataclass
class Desk:
    """A scenario with regions given out by hand, and a plan to write on."""

    experiment: Experiment
    scenario: Scenario
    plan: PlanBuilder
    stripes: Stripes
    modules: tuple[str, ...]
    """Names of the memories."""
    room: dict[str, int]
    """First free address of each module and of the GPU for copies of experts."""

    def slot(self, memory: str) -> int:
        """A place for one localized copy."""
        address = self.room[memory]
        self.room[memory] += aligned(SIZE)
        return address

    def reside(self, layer: int, expert: int, address: int) -> Copy:
        grid = np.full((LAYERS, EXPERTS), -1, dtype=np.int64)
        grid[layer, expert] = address
        self.plan.reside(FP16, grid)
        return Copy(0, address)

    def striped(self, number: int) -> int:
        """Address of the striped place `number`."""
        return STRIPED + number * aligned(-(-SIZE // len(self.modules)))

    def checked(self) -> tuple[Prepared, Timeline]:
        """The plan is sound; its program is valid, runs, and keeps the plan's order."""
        plan = self.plan.take()
        self.check(plan)
        program = self.lowered(plan)
        program.validate()
        found = Prepared(
            self.experiment,
            self.scenario,
            None,  # type: ignore[arg-type] # no policy wrote this plan
            [Block(plan, program)],
        )
        timeline = engines.get("embedded")().run(found.machine, program)
        check_slots(found, timeline)
        check_causality(found, timeline)
        check_dispatch(found, timeline)
        return found, timeline

    def check(self, plan: Plan) -> None:
        scenario = self.scenario
        check_plan(plan, scenario.demand, scenario.machine, self.scenario.addresses, {FP16: SIZE}, False, {FP16})

    def lowered(self, plan: Plan) -> Program:
        found = self.scenario
        scene = (found.machine, found.model, found.workload, found.layout, found.decode, found.quantization.parts, SLOW)
        return Lowering(*scene).lower(plan, 0, STEPS)


@pytest.fixture
def desk() -> Desk:
    routed = routing([[(0, 1, 2, 3)] * LAYERS] * 2, [[(0, 1, 2, 3)] * LAYERS] * (STEPS - 1), EXPERTS)
    experiment, found = scenario(routed, machine="h100-amx-dimm-ndp")
    machine = found.machine
    addresses = AddressMap(machine.memories, "by hand")
    gpu = machine.main_unit.local_memory
    others = [unit.local_memory for unit in (*machine.near_data_units, *machine.host_units)]
    layout = place_model(found.model, found.workload, found.quantization.parts, addresses, gpu, others)
    modules = tuple(unit.local_memory for unit in machine.near_data_units)
    each = 8 * aligned(-(-SIZE // len(modules)))
    stripes = Stripes(modules, tuple(addresses.take("stripe", memory, each).address for memory in modules))
    room = {memory: addresses.take("experts", memory, 16 * aligned(SIZE)).address for memory in (gpu, *modules)}
    plan = PlanBuilder(tuple(unit.name for unit in machine.units.values() if unit.model is not None))
    plan.format_index(FP16)
    plan.stripes = stripes
    return Desk(experiment, replace(found, addresses=addresses, layout=layout), plan, stripes, modules, room)


def unit_at(desk: Desk, memory: str) -> str:
    return next(unit.name for unit in desk.scenario.machine.near_data_units if unit.local_memory == memory)


def run_all_but(desk: Desk, step: int, layer: int, homes: dict[tuple[int, int], Copy], *others: int) -> None:
    """Run what is not in `others` on the module where it lies."""
    for expert in range(EXPERTS):
        if expert not in others:
            desk.plan.run(expert, tokens(step), unit_at(desk, desk.modules[expert]), homes[layer, expert])


def tokens(step: int) -> int:
    return 2 if step == 0 else 1


def localized(desk: Desk) -> dict[tuple[int, int], Copy]:
    """Expert e of every layer on module e."""
    return {
        (layer, expert): desk.reside(layer, expert, desk.slot(desk.modules[expert]))
        for layer in range(LAYERS)
        for expert in range(EXPERTS)
    }


def cells() -> list[tuple[int, int]]:
    return [(step, layer) for step in range(STEPS) for layer in range(LAYERS)]


def bytes_read(program: Program, memory_names: list[str], of: Prepared) -> dict[str, int]:
    """Weights that kernels read from each memory."""
    rows = np.flatnonzero((program.events["kind"] == STREAM) & (program.tags["expert"][program.events["tag"]] >= 0))
    found = dict.fromkeys(memory_names, 0)
    for row in rows:
        event = program.events[row]
        for access in program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]:
            if access["op"] == READ and access["what"] == CONTENTS.index("weights"):
                found[memory_names[int(of.machine.memory_index(access["address"]))]] += int(access["bytes"])
    return found


def test_a_team_and_a_cpu_read_striped_copies(desk: Desk) -> None:
    homes = localized(desk)
    striped = {
        (layer, expert): desk.reside(layer, expert, desk.striped(2 * layer + expert))
        for layer in range(LAYERS)
        for expert in (0, 1)
    }
    for layer, expert in striped:
        homes.pop((layer, expert))
    team = desk.plan.team("all modules", tuple(unit_at(desk, memory) for memory in desk.modules))
    for step, layer in cells():
        desk.plan.at(step, layer)
        desk.plan.run(0, tokens(step), team, striped[layer, 0])
        desk.plan.run(1, tokens(step), "host.cpu", striped[layer, 1])
        run_all_but(desk, step, layer, homes, 0, 1)
    found, _ = desk.checked()
    read = bytes_read(found.program, [memory.name for memory in found.machine.memory_list], found)
    part = desk.stripes.sizes(SIZE)
    assert part.sum() == SIZE
    for index, memory in enumerate(desk.modules):
        # one part for the team's member, one for the CPU, and what lies there whole
        assert read[memory] == STEPS * LAYERS * (2 * int(part[index]) + (SIZE if index in (2, 3) else 0))


def test_a_deferred_run_is_merged_one_layer_later(desk: Desk) -> None:
    homes = localized(desk)
    for step, layer in cells():
        desk.plan.at(step, layer)
        late = layer < LAYERS - 1
        desk.plan.run(2, tokens(step), unit_at(desk, desk.modules[2]), homes[layer, 2], deferred=late)
        run_all_but(desk, step, layer, homes, 2)
    desk.checked()


def test_early_moves_go_anywhere_and_free_what_they_leave(desk: Desk) -> None:
    """Each step expert 3 goes round: module, stripe, another module, back; expert 2 to the GPU."""
    homes = localized(desk)
    gpu = "gpu.hbm"
    on_gpu = [desk.slot(gpu) for _ in range(LAYERS)]
    place = {layer: homes[layer, 3] for layer in range(LAYERS)}
    stations = [lambda layer: desk.striped(layer), lambda layer: desk.room[desk.modules[5]] + layer * aligned(SIZE)]
    hot: dict[int, Copy] = {}
    for step, layer in cells():
        desk.plan.at(step, layer)
        before = (layer - 1) % LAYERS  # done for this step
        if step < STEPS - 1 and (step, layer) != (0, 0):
            at = step if before < layer else step - 1
            place[before] = desk.plan.move(
                before, 3, place[before], stations[at % 2](before), prefetch=True, early=True
            )
        copy = place[layer]
        if copy.address >= STRIPED:
            desk.plan.run(3, tokens(step), "host.cpu", copy)
        else:
            home = next(
                name
                for name in desk.modules
                if desk.scenario.machine.memory_index(copy.address)
                == [m.name for m in desk.scenario.machine.memory_list].index(name)
            )
            desk.plan.run(3, tokens(step), unit_at(desk, home), copy)
        if layer not in hot:
            hot[layer] = desk.plan.move(layer, 2, homes[layer, 2], on_gpu[layer])
        desk.plan.run(2, tokens(step), "gpu.sm", hot[layer])
        run_all_but(desk, step, layer, homes, 2, 3)
    found, _ = desk.checked()
    copies = found.program.events[found.program.events["kind"] == COPY]
    assert (copies["accesses"] == 2 * len(desk.modules)).any()  # into and out of stripes part by part
    accesses = found.program.accesses
    moved = accesses["bytes"][(accesses["what"] == CONTENTS.index("weights")) & (accesses["op"] == WRITE)].sum()
    assert moved == len(found.plan.moves) * SIZE
    assert {lane for _, lane in (found.program.lanes[i] for i in np.unique(copies["lane"]))} >= {"copies", "weights"}


@pytest.mark.parametrize("when", [0, 1])
@pytest.mark.parametrize("early", [False, True])
def test_a_move_waits_for_a_deferred_run(desk: Desk, when: int, early: bool) -> None:
    """One module computes all of layer 0, deferred, so that layer 1 comes while it is at it."""
    homes = localized(desk)
    plan, memory = desk.plan, desk.modules[6]
    here = [desk.reside(0, expert, desk.slot(memory)) for expert in range(EXPERTS)]
    row = -1
    for step, layer in cells():
        plan.at(step, layer)
        if (step, layer) == (0, 0):
            for expert in range(EXPERTS):
                row = plan.run(expert, tokens(step), unit_at(desk, memory), here[expert], deferred=True)
        else:
            run_all_but(desk, step, layer, homes)
        if (step, layer) == (0, when):
            plan.move(0, 1, homes[0, 1], here[-1].address, after_run=row, early=early)
    desk.checked()


def test_a_move_waits_for_all_of_a_team(desk: Desk) -> None:
    homes = localized(desk)
    copy = desk.reside(0, 0, desk.striped(0))
    team = desk.plan.team("all modules", tuple(unit_at(desk, memory) for memory in desk.modules))
    for step, layer in cells():
        desk.plan.at(step, layer)
        if (step, layer) == (0, 0):
            row = desk.plan.run(0, tokens(step), team, copy)
            desk.plan.move(0, 1, homes[0, 1], copy.address, after_run=row)
            run_all_but(desk, step, layer, homes, 0)
        else:
            run_all_but(desk, step, layer, homes)
    desk.checked()


def test_unsound_plans_are_noticed(desk: Desk) -> None:
    homes = localized(desk)
    team = desk.plan.team("two modules", tuple(unit_at(desk, memory) for memory in desk.modules[:2]))
    plan = desk.plan
    for step, layer in cells():
        plan.at(step, layer)
        run_all_but(desk, step, layer, homes)
    good = plan.take()
    desk.check(good)

    def broken(message: str, **values: object) -> None:
        runs = good.runs.copy()
        for name, value in values.items():
            runs[name][-1] = value
        with pytest.raises(PlanError, match=message):
            desk.check(Plan(good.units, good.formats, runs, *good_rest()))

    def good_rest() -> tuple[object, ...]:
        return good.moves, good.skips, good.residents, good.stripes, good.teams

    broken("a team computes a copy that is not striped over its members", unit=len(good.units))
    broken("deferred, but on the GPU or in the last layer", deferred=True)
    broken("not in the memory beside it", unit=good.units.index(unit_at(desk, desk.modules[1])))
    broken("not in the memory beside it", address=desk.striped(0))
    assert team == "two modules"
