"""What a timeline says about copies of experts: there when read, and left alone while they are."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.prepare import Prepared
from sim.timeline import Timeline
from workloads.program import COPY, PURPOSES, STREAM, WRITE

Content = tuple[int, int, int]
"""(MoE layer, expert, bits)."""


class _Use(NamedTuple):
    start_ps: int
    end_ps: int
    content: Content
    fills: bool
    """A copy into the slot; else a kernel that reads it."""


def rows_of(prepared: Prepared, purpose: str, kind: int) -> NDArray[np.int64]:
    """Events of one purpose and kind."""
    events, tags = prepared.program.events, prepared.program.tags
    return np.flatnonzero((tags["purpose"][events["tag"]] == PURPOSES.index(purpose)) & (events["kind"] == kind))


def check_slots(prepared: Prepared, timeline: Timeline) -> int:
    """Every kernel finds its expert in its slot, whole, and no copy into the slot runs beside it.

    Returns the number of kernels looked at.
    """
    plan, program = prepared.plan, prepared.program
    events, accesses, tags = program.events, program.accesses, program.tags[program.events["tag"]]
    bits = [weight_format.bits for weight_format in plan.formats]
    home: dict[int, Content] = {
        int(row["address"]): (int(row["layer"]), int(row["expert"]), bits[row["format"]]) for row in plan.residents
    }
    moe_layer = {layer: index for index, layer in enumerate(prepared.model.moe_layers)}
    uses: dict[int, list[_Use]] = defaultdict(list)
    for row in rows_of(prepared, "move weights", COPY):
        source, target = accesses["address"][events["first_access"][row] + np.arange(2)].tolist()
        uses[target].append(_Use(int(timeline.start_ps[row]), int(timeline.end_ps[row]), home[source], True))
    kernels = rows_of(prepared, "expert", STREAM)
    for row in kernels:
        address = int(accesses["address"][events["first_access"][row]])
        tag = tags[row]
        content = (moe_layer[int(tag["layer"])], int(tag["expert"]), int(tag["weight_bits"]))
        uses[address].append(_Use(int(timeline.start_ps[row]), int(timeline.end_ps[row]), content, False))
    for address, in_slot in uses.items():
        held, free_from_ps = home.get(address), 0
        for use in sorted(in_slot):
            assert use.start_ps >= free_from_ps, f"slot {address:#x}: {use} begins before {free_from_ps}"
            if use.fills:
                held = use.content
            assert held == use.content, f"slot {address:#x} holds {held} when {use} reads it"
            free_from_ps = use.end_ps
    return len(kernels)


def check_causality(prepared: Prepared, timeline: Timeline) -> None:
    """Nothing is decided before its gate, and no layer ends before its experts have answered."""
    program = prepared.program
    tags = program.tags[program.events["tag"]]

    def cells(rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        return [(int(tags["step"][row]), int(tags["layer"][row])) for row in rows]

    gate, combine = rows_of(prepared, "gate", STREAM), rows_of(prepared, "combine", STREAM)
    gate_end = dict(zip(cells(gate), timeline.end_ps[gate].tolist(), strict=True))
    combine_start = dict(zip(cells(combine), timeline.start_ps[combine].tolist(), strict=True))
    for purpose, kind in (("expert", STREAM), ("dispatch", COPY), ("move weights", COPY)):
        rows = rows_of(prepared, purpose, kind)
        for row, cell in zip(rows.tolist(), cells(rows), strict=True):
            assert timeline.start_ps[row] >= gate_end[cell], f"{purpose} of {cell} starts before its gate ends"
            if purpose != "move weights":
                assert timeline.end_ps[row] <= combine_start[cell], f"{purpose} of {cell} ends after its combine starts"


def check_dispatch(prepared: Prepared, timeline: Timeline) -> int:
    """A kernel near the data runs between the arrival of its rows and their way back.

    Returns the number of kernels near the data.
    """
    machine, program = prepared.machine, prepared.program
    events, accesses, tags = program.events, program.accesses, program.tags[program.events["tag"]]
    gpu_memory = machine.units_of_kind("gpu")[0].local_memory
    arrived: dict[tuple[int, int, str], int] = {}
    fetched: dict[tuple[int, int, str], int] = {}
    for row in rows_of(prepared, "dispatch", COPY):
        ends = accesses[events["first_access"][row] + np.arange(2)]
        source, target = (machine.memory_list[i].name for i in machine.memory_index(ends["address"]))
        step, layer = int(tags["step"][row]), int(tags["layer"][row])
        assert (source == gpu_memory) != (target == gpu_memory)
        times, remote = (arrived, target) if source == gpu_memory else (fetched, source)
        assert (step, layer, remote) not in times, "one dispatch each way per layer and device"
        times[step, layer, remote] = int(timeline.end_ps[row] if times is arrived else timeline.start_ps[row])
    assert arrived.keys() == fetched.keys()
    near = 0
    used = set()
    for row in rows_of(prepared, "expert", STREAM):
        unit = machine.units[program.lanes[events["lane"][row]][0]]
        if unit.local_memory == gpu_memory:
            continue
        key = int(tags["step"][row]), int(tags["layer"][row]), unit.local_memory
        assert arrived[key] <= timeline.start_ps[row], f"{key}: computed before its rows arrived"
        assert timeline.end_ps[row] <= fetched[key], f"{key}: fetched before it was computed"
        used.add(key)
        near += 1
        last = accesses[events["first_access"][row] + events["accesses"][row] - 1]
        assert last["op"] == WRITE
    assert used == arrived.keys()
    return near
