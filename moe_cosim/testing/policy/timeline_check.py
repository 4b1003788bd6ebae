"""What a timeline says about copies of experts: there when read, and left alone while they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.programs.program import COPY, PURPOSES, STREAM
from moe_cosim.workloads.stripes import STRIPED

Content = tuple[int, int, int]
"""(MoE layer, expert, bits)."""
Cell = tuple[int, int]
"""(step, layer of the model)."""
Group = tuple[int, int, str, bool]


class _Use(NamedTuple):
    start_ps: int
    end_ps: int
    content: Content
    fills: bool
    """A copy into the slot; else a kernel or a copy that reads it."""


def rows_of(prepared: Prepared, purpose: str, kind: int) -> NDArray[np.int64]:
    """[n] the events of one purpose and kind."""
    events, tags = prepared.program.events, prepared.program.tags
    return np.flatnonzero((tags["purpose"][events["tag"]] == PURPOSES.index(purpose)) & (events["kind"] == kind))


def check_slots(prepared: Prepared, timeline: Timeline) -> int:
    """Whoever reads a slot finds its expert there, whole, and no copy into the slot runs beside it.

    Returns the number of kernels looked at.
    """
    plan, program = prepared.plan, prepared.program
    events, accesses, tags = program.events, program.accesses, program.tags[program.events["tag"]]
    bits = [weight_format.bits for weight_format in plan.formats]
    slot_of = _slots(prepared)
    resident: dict[int, Content] = {
        int(row["address"]): (int(row["layer"]), int(row["expert"]), bits[row["format"]]) for row in plan.residents
    }
    moved: dict[tuple[int, int, int, int, int], int] = {}
    for move in plan.moves:
        key = (int(move["step"]), prepared.scenario.model.moe_layers[move["layer"]], int(move["expert"]))
        moved[*key, int(move["source"]), int(move["target"])] = int(move["of_layer"])
    moe_layer = {layer: index for index, layer in enumerate(prepared.scenario.model.moe_layers)}
    uses: dict[int, list[_Use]] = defaultdict(list)
    for row in rows_of(prepared, "move weights", COPY):
        times, tag = (int(timeline.start_ps[row]), int(timeline.end_ps[row])), tags[row]
        ends = accesses["address"][events["first_access"][row] + np.arange(2)].tolist()
        source, target = (slot_of(address) for address in ends)
        of_layer = moved[int(tag["step"]), int(tag["layer"]), int(tag["expert"]), source, target]
        content = of_layer, int(tag["expert"]), int(tag["weight_bits"])
        uses[source].append(_Use(*times, content, False))
        uses[target].append(_Use(*times, content, True))
    kernels = rows_of(prepared, "expert", STREAM)
    for row in kernels:
        address = int(accesses["address"][events["first_access"][row]])
        tag = tags[row]
        content = (moe_layer[int(tag["layer"])], int(tag["expert"]), int(tag["weight_bits"]))
        uses[slot_of(address)].append(_Use(int(timeline.start_ps[row]), int(timeline.end_ps[row]), content, False))
    for slot, in_slot in uses.items():
        held, filled_ps, read_ps = resident.get(slot), 0, 0
        for use in sorted(in_slot):
            free_from_ps = max(filled_ps, read_ps) if use.fills else filled_ps
            assert use.start_ps >= free_from_ps, f"slot {slot:#x}: {use} begins before {free_from_ps}"
            if use.fills:
                held, filled_ps = use.content, use.end_ps
            assert held == use.content, f"slot {slot:#x} holds {held} when {use} reads it"
            read_ps = max(read_ps, use.end_ps)
    return len(kernels)


def _slots(prepared: Prepared) -> Callable[[int], int]:
    """From where an access starts to the address its copy has in the plan (striped ones: any part's start)."""
    stripes = prepared.plan.stripes
    if stripes is None:
        return lambda address: address
    size = {region.address: region.size_bytes for region in prepared.scenario.addresses.regions}

    def slot(address: int) -> int:
        for start in stripes.starts:
            if start <= address < start + size[start]:
                return STRIPED + address - start
        return address

    return slot


def check_causality(prepared: Prepared, timeline: Timeline) -> None:
    """Nothing is decided before its gate, and no layer ends before its experts have answered.

    Early moves may start with their layer, and end with it; a deferred run answers one layer later.
    """
    plan, program, layers = prepared.plan, prepared.program, prepared.scenario.model.moe_layers
    tags = program.tags[program.events["tag"]]
    next_layer = dict(pairwise(layers))

    def cells(rows: NDArray[np.int64]) -> list[Cell]:
        return [(int(tags["step"][row]), int(tags["layer"][row])) for row in rows]

    gate, combine = rows_of(prepared, "gate", STREAM), rows_of(prepared, "combine", STREAM)
    # of micro-batches the first gate, and the last combination
    gate_end = dict(zip(cells(gate[::-1]), timeline.end_ps[gate[::-1]].tolist(), strict=True))
    combine_start = dict(zip(cells(combine), timeline.start_ps[combine].tolist(), strict=True))
    on_gpu = np.flatnonzero(program.events["lane"] == program.lanes.index((prepared.machine.main_unit.name, "main")))
    begin: dict[Cell, int] = {}
    for row, cell in zip(on_gpu.tolist(), cells(on_gpu), strict=True):
        begin.setdefault(cell, int(timeline.start_ps[row]))
    deferred = _deferred(prepared)
    kernels = rows_of(prepared, "expert", STREAM)
    for row, cell in zip(kernels.tolist(), cells(kernels), strict=True):
        merged = cell
        if (*cell, int(tags["expert"][row])) in deferred:
            merged = cell[0], next_layer[cell[1]]
        assert timeline.start_ps[row] >= gate_end[cell], f"expert of {cell} starts before its gate ends"
        assert timeline.end_ps[row] <= combine_start[merged], f"expert of {cell} ends after {merged} is combined"
    rows = rows_of(prepared, "move weights", COPY)
    early = {
        (int(move["step"]), layers[move["layer"]], int(move["expert"])) for move in plan.moves[plan.moves["early"]]
    }
    late = {
        (int(move["step"]), layers[move["layer"]], int(move["expert"])) for move in plan.moves[~plan.moves["early"]]
    }
    for row, cell in zip(rows.tolist(), cells(rows), strict=True):
        key = (*cell, int(tags["expert"][row]))
        issued = gate_end[cell] if key not in early else begin[cell]
        assert timeline.start_ps[row] >= issued, f"move of {cell} starts before it is issued"
        if key not in late:
            assert timeline.end_ps[row] <= combine_start[cell], f"early move of {cell} ends after its layer"


def _deferred(prepared: Prepared) -> set[tuple[int, int, int]]:
    """(step, layer of the model, expert) of deferred runs."""
    runs = prepared.plan.runs[prepared.plan.runs["deferred"]]
    return {(int(run["step"]), prepared.scenario.model.moe_layers[run["layer"]], int(run["expert"])) for run in runs}


def check_dispatch(prepared: Prepared, timeline: Timeline) -> int:
    """A kernel beside the GPU runs between the arrival of its rows and their way back, in time for
    the layer that merges them. Returns the number of such kernels.
    """
    machine, program, layers = prepared.machine, prepared.program, prepared.scenario.model.moe_layers
    events, accesses, tags = program.events, program.accesses, program.tags[program.events["tag"]]
    gpu_memory = machine.main_unit.local_memory
    before = {later: earlier for earlier, later in pairwise(layers)}
    deferred = _deferred(prepared)
    # (step, layer, memory beside the unit, deferred): its kernels
    kernels: dict[Group, list[int]] = defaultdict(list)
    for row in rows_of(prepared, "expert", STREAM):
        unit = machine.units[program.lanes[events["lane"][row]][0]]
        if unit.name != machine.main_unit.name:
            memory = unit.local_memory
            cell = int(tags["step"][row]), int(tags["layer"][row])
            kernels[*cell, memory, (*cell, int(tags["expert"][row])) in deferred].append(row)
    arrived: dict[Group, int] = {}
    fetched: dict[Group, int] = {}
    combine = rows_of(prepared, "combine", STREAM)
    for row in rows_of(prepared, "dispatch", COPY):
        ends = accesses[events["first_access"][row] + np.arange(2)]
        source, target = (machine.memory_list[i].name for i in machine.memory_index(ends["address"]))
        step, layer = int(tags["step"][row]), int(tags["layer"][row])
        assert gpu_memory in (source, target)
        # within the GPU's own memory, to units inside it, what has not come yet goes there first
        inside = source == target
        if (step, layer, target, False) not in arrived if inside else source == gpu_memory:
            # in lane order: at once, then deferred
            wanted = [(step, layer, target, late) for late in (False, True)]
            group = next(group for group in wanted if group in kernels and group not in arrived)
            arrived[group] = int(timeline.end_ps[row])
            continue
        wanted = [(step, layer, source, False), (step, before.get(layer, -1), source, True)]
        group = next(group for group in wanted if group in kernels and group not in fetched)
        fetched[group] = row
        merged = combine[(tags["step"][combine] == step) & (tags["layer"][combine] == layer)]
        assert timeline.end_ps[row] <= timeline.start_ps[merged[0]], f"{group}: merged before it came back"
    assert kernels.keys() == arrived.keys() == fetched.keys()
    for group, rows in kernels.items():
        for row in rows:
            assert arrived[group] <= timeline.start_ps[row], f"{group}: computed before its rows arrived"
            assert timeline.end_ps[row] <= timeline.start_ps[fetched[group]], f"{group}: fetched before it was computed"
    return sum(map(len, kernels.values()))
