"""Is a plan one that a machine could carry out as meant? For tests of policies, ours and others'.

The rules are those of `moe_cosim.workloads.plan`: every routed token is computed once, from a copy that is
there when it is read. `check_plan` looks at decisions only; that the lowering keeps their order is
shown on a timeline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.workloads.address_map import AddressMap
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.stripes import STRIPED

Cell = tuple[int, int]
"""(step, MoE layer)."""


class PlanError(ValueError):
    """A plan that breaks a rule; the text names step, layer and expert."""


class _Held(NamedTuple):
    """What a copy holds."""

    layer: int
    expert: int
    format: int


def check_plan(
    plan: Plan,
    demand: Demand,
    machine: Machine,
    addresses: AddressMap,
    expert_bytes_by_format: Mapping[WeightFormat, int],
    may_skip: bool,
    allowed_formats: Collection[WeightFormat],
) -> None:
    """Raise `PlanError` for the first broken rule.

    `expert_bytes_by_format` has the bytes of one expert at every format of the plan;
    `allowed_formats` are those an expert may be computed at; `may_skip` as `Policy.may_skip`.
    """
    _check_order(plan)
    _check_tokens(plan, demand, may_skip)
    _check_formats(plan, allowed_formats)
    sizes = [expert_bytes_by_format[weight_format] for weight_format in plan.formats]
    _check_places(plan, machine, addresses, sizes)
    names = [*(memory.name for memory in machine.memory_list), ""]  # index -1: no memory
    for run, memory in zip(plan.runs, machine.memory_index(plan.runs["address"]).tolist(), strict=True):
        _check_unit(plan, machine, run, names[memory], demand.layers)
    copies = _Copies(plan, machine)
    for row in range(len(plan.runs)):
        copies.check_run(row)
    for row in range(len(plan.moves)):
        copies.check_move(row)


def _check_order(plan: Plan) -> None:
    """Rows follow the execution: step by step, layer by layer."""
    for name in ("runs", "moves", "skips"):
        table = getattr(plan, name)
        cells = [_cell(row) for row in table]
        for earlier, later in pairwise(cells):
            if later < earlier:
                raise PlanError(f"{name}: (step, layer) {later} comes after {earlier}")


def _check_tokens(plan: Plan, demand: Demand, may_skip: bool) -> None:
    wanted = {
        (step, layer.layer, expert): tokens
        for step in range(demand.steps)
        for layer in demand.step(step)
        for expert, tokens in zip(layer.experts, layer.tokens, strict=True)
    }
    if len(plan.skips) and not may_skip:
        raise PlanError(f"{_name(plan.skips[0])}: skipped, by a policy that may not")
    for row in [*plan.runs, *plan.skips]:
        key = (*_cell(row), int(row["expert"]))
        if key not in wanted:
            raise PlanError(f"{_name(row)}: computed twice, or never asked for")
        asked = wanted.pop(key)
        if row["tokens"] != asked:
            raise PlanError(f"{_name(row)}: {int(row['tokens'])} tokens computed of {asked} routed")
    for (step, layer, expert), tokens in wanted.items():
        raise PlanError(f"step {step} layer {layer} expert {expert}: its {tokens} tokens are never computed")


def _check_formats(plan: Plan, allowed: Collection[WeightFormat]) -> None:
    for row in plan.runs:
        weight_format = plan.formats[row["format"]]
        if weight_format not in allowed:
            raise PlanError(f"{_name(row)}: computed at {weight_format.name}, which the policy does not allow")


def _check_places(plan: Plan, machine: Machine, addresses: AddressMap, sizes: list[int]) -> None:
    """Slots lie in regions that were handed out, do not overlap, and fit their memory."""
    slots: dict[int, int] = {}
    for rows, column in ((plan.residents, "address"), (plan.moves, "target")):
        for row in rows:
            address = int(row[column])
            slots[address] = max(slots.get(address, 0), sizes[row["format"]])
    ordered = sorted(part for address, size in slots.items() for part in _ranges(plan, address, size))
    for (address, size), (following, _) in pairwise(ordered):
        if address + size > following:
            raise PlanError(f"slots at {address:#x} ({size} bytes) and {following:#x} overlap")
    regions = sorted(addresses.regions, key=lambda region: region.address)
    for region, after in pairwise(regions):
        if region.address + region.size_bytes > after.address:
            raise PlanError(f"regions {region.name} and {after.name} overlap")
    starts = np.array([region.address for region in regions], dtype=np.int64)
    held: dict[str, int] = defaultdict(int)
    for address, size in ordered:
        index = int(np.searchsorted(starts, address, side="right")) - 1
        if index < 0 or address + size > regions[index].address + regions[index].size_bytes:
            raise PlanError(f"the slot at {address:#x} ({size} bytes) lies in no region")
        held[regions[index].memory] += size
    for name, size in held.items():
        if size > machine.memories[name].capacity_bytes:
            raise PlanError(f"{size} bytes of experts in {name}, which has {machine.memories[name].capacity_bytes}")
    for region in regions:
        memory = machine.memories[region.memory]
        end = memory.base_address + memory.capacity_bytes
        if region.address < memory.base_address or region.address + region.size_bytes > end:
            raise PlanError(f"region {region.name} lies outside {region.memory}")


def _ranges(plan: Plan, address: int, size: int) -> list[tuple[int, int]]:
    """(start, bytes) of what a copy takes: one range, or a part of each memory of the stripe."""
    if address < STRIPED:
        return [(address, size)]
    if plan.stripes is None:
        raise PlanError(f"a striped copy at {address:#x}, but the plan has no stripes")
    offset = address - STRIPED
    return [
        (start + offset, int(part)) for start, part in zip(plan.stripes.starts, plan.stripes.sizes(size), strict=True)
    ]


def _check_unit(plan: Plan, machine: Machine, run: Any, memory: str, layers: int) -> None:
    """Main and near-data units compute from the memory beside them, a team's members each from their part;
    a host also from memories near the data, which are its main memory."""
    striped, unit = int(run["address"]) >= STRIPED, int(run["unit"])
    team = plan.teams[unit - len(plan.units)] if unit >= len(plan.units) else ()
    members = [machine.units[name] for name in team or (plan.units[unit],)]
    roles = {member.role for member in members}
    if run["deferred"] and (machine.main_unit in members or run["layer"] >= layers - 1):
        raise PlanError(f"{_name(run)}: deferred, but on the GPU or in the last layer")
    beside = tuple(member.local_memory for member in members)
    if team:
        if not striped or plan.stripes is None or plan.stripes.memories != beside:
            raise PlanError(f"{_name(run)}: a team computes a copy that is not striped over its members")
        return
    found = plan.stripes.memories if striped and plan.stripes is not None else (memory,)
    on_gpu = {other.local_memory for other in machine.main_units if other.role is Role.MAIN}
    reachable = set(machine.memories) - on_gpu if roles == {Role.HOST} else set(beside)
    if not set(found) <= reachable:
        raise PlanError(
            f"{_name(run)}: {members[0].name} computes from {int(run['address']):#x}, not in the memory beside it"
        )


class _Copies:
    """Who holds what, when: residents, and what each address is overwritten with in turn."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self._plan = plan
        gpu_memory = list(machine.memories).index(machine.main_unit.local_memory)
        self._settled = plan.moves["early"] | (machine.memory_index(plan.moves["target"]) != gpu_memory)
        self._residents: dict[int, _Held] = {}
        for row in plan.residents:
            address = int(row["address"])
            if address in self._residents:
                raise PlanError(f"two residents at {address:#x}")
            self._residents[address] = _Held(int(row["layer"]), int(row["expert"]), int(row["format"]))
        self._moves_into: dict[int, list[int]] = defaultdict(list)
        for index, move in enumerate(plan.moves):
            self._moves_into[int(move["target"])].append(index)
        self._first_use: dict[int, int] = {}
        for index, run in enumerate(plan.runs):
            self._first_use.setdefault(int(run["move"]), index)

    def check_run(self, row: int) -> None:
        """The copy it reads holds its expert, is there by then and is not overwritten before."""
        plan, run = self._plan, self._plan.runs[row]
        address, source = int(run["address"]), int(run["move"])
        if source < 0:
            held = self._residents.get(address)
            if held is None:
                raise PlanError(f"{_name(run)}: no copy is resident at {address:#x}")
        elif source >= len(plan.moves):
            raise PlanError(f"{_name(run)}: move {source} does not exist")
        else:
            move = plan.moves[source]
            held = _Held(int(move["of_layer"]), int(move["expert"]), int(move["format"]))
            if move["target"] != address:
                raise PlanError(f"{_name(run)}: reads {address:#x}, its move goes to {int(move['target']):#x}")
            if _cell(move) > _cell(run):
                raise PlanError(f"{_name(run)}: its move is issued later, at step {move['step']} layer {move['layer']}")
        if held != (run["layer"], run["expert"], run["format"]):
            raise PlanError(f"{_name(run)}: the copy at {address:#x} is {self._describe(held)}")
        self._check_overwriting(row, address, source)

    def _check_overwriting(self, row: int, address: int, source: int) -> None:
        """Only the next move into the slot matters: moves into one slot follow each other."""
        plan, run = self._plan, self._plan.runs[row]
        following = self._next_into(address, source)
        if following is None or _cell(plan.moves[following]) > _last_cell(run):
            return
        move = plan.moves[following]
        after = int(move["after_run"])
        waits = _cell(run) <= _cell(move) and row <= after < len(plan.runs)
        if not waits or plan.runs[after]["address"] != address:
            raise PlanError(
                f"{_name(run)}: its slot is overwritten at step {move['step']} layer {move['layer']} by layer "
                f"{move['of_layer']} expert {move['expert']}, which does not wait for it"
            )

    def check_move(self, row: int) -> None:
        """It copies the right expert, and waits for nothing that waits for it."""
        plan, move = self._plan, self._plan.moves[row]
        what = f"move {row} ({_name(move)})"
        self._check_source(row, what)
        after = int(move["after_run"])
        if after < 0:
            return
        if after >= len(plan.runs) or _cell(plan.runs[after]) > _cell(move):
            raise PlanError(f"{what}: waits for run {after}, which comes later")
        if plan.runs[after]["move"] >= row or after >= self._first_use.get(row, len(plan.runs)):
            raise PlanError(f"{what}: waits for run {after}, which waits for it")

    def _check_source(self, row: int, what: str) -> None:
        """The source holds the expert when the move is issued, and until it has ended."""
        move = self._plan.moves[row]
        source = int(move["source"])
        before = [other for other in self._moves_into[source] if other < row]
        if before:
            filled = self._plan.moves[before[-1]]
            held = _Held(int(filled["of_layer"]), int(filled["expert"]), int(filled["format"]))
            if not self._ended(before[-1], _cell(move)):
                raise PlanError(f"{what}: its source {source:#x} may not have arrived")
        elif source in self._residents:
            held = self._residents[source]
        else:
            raise PlanError(f"{what}: no copy lies at its source {source:#x}")
        if held != (move["of_layer"], move["expert"], move["format"]):
            raise PlanError(f"{what}: of layer {move['of_layer']}, but its source is {self._describe(held)}")
        following = self._next_into(source, row - 1)
        if following is not None and not self._ended(row, _cell(self._plan.moves[following])):
            raise PlanError(f"{what}: its source {source:#x} is overwritten while it is read")

    def _next_into(self, address: int, row: int) -> int | None:
        """The first move into `address` after move `row`."""
        return next((move for move in self._moves_into[address] if move > row), None)

    def _ended(self, row: int, cell: Cell) -> bool:
        """Whether a move is sure to have ended when the layer `cell` begins.

        An early one, and one to another memory than the GPU's, has when its layer ends; any other
        when a run that uses it has.
        """
        if self._settled[row] and _cell(self._plan.moves[row]) < cell:
            return True
        used = self._first_use.get(row)
        return used is not None and _last_cell(self._plan.runs[used]) < cell

    def _describe(self, held: _Held) -> str:
        return f"layer {held.layer} expert {held.expert} at {self._plan.formats[held.format].name}"


def _cell(row: Any) -> Cell:
    return int(row["step"]), int(row["layer"])


def _last_cell(run: Any) -> Cell:
    """The layer at whose end a run is sure to have ended; a deferred one is merged a layer later."""
    return int(run["step"]), int(run["layer"]) + bool(run["deferred"])


def _name(row: Any) -> str:
    return f"step {int(row['step'])} layer {int(row['layer'])} expert {int(row['expert'])}"
