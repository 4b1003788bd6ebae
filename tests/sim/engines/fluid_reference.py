"""The event stream's meaning once more: slow, in exact fractions, with one global clock.

Written apart from the engine, from the definitions only: nothing of its lowering, its heap or its
way of running lanes ahead is used here.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.program import COMPUTE, COPY, READ, SIGNAL, WAIT, WRITE, Program

_TICK = Fraction(1, 1000)


@dataclass
class Flow:
    lane: int
    begins: int
    left: Fraction
    takes: dict[int, Fraction]
    cap: Fraction
    turn: Fraction
    window: Fraction | None
    """Where it is what limits the flow alone."""
    lines: dict[int, Fraction]
    """Time of one of its lines at each resource."""
    rate: Fraction = Fraction(0)
    over: bool = False
    written: dict[int, Fraction] = field(default_factory=dict)
    scattered: set[int] = field(default_factory=set)
    streams: dict[int, Fraction] = field(default_factory=dict)


@dataclass
class Lane:
    unit: str
    rows: list[int]
    at: int = -1
    until: int | None = 0
    flows: list[Flow] = field(default_factory=list)


def memory_at(machine: Machine, address: int) -> tuple[int, Memory]:
    for index, part in enumerate(machine.memory_list):
        if part.base_address <= address < part.base_address + part.capacity_bytes:
            return index, part
    raise AssertionError(f"no memory at {address}")


def make_flow(
    machine: Machine,
    unit: str,
    window: float,
    lane: int,
    begins: int,
    rows: list[dict[str, int]],
    together: dict[int, int],
) -> Flow:
    """`rows`: one access, or the source and the target of a copy. `window`: this flow's part of it. `together`: how
    often the accesses of its event meet in each memory."""
    parts = [memory_at(machine, row["address"]) for row in rows]
    name = parts[0][1].name
    if len(rows) == 2:
        data = machine.path(name, parts[1][1].name)
        # in through the unit, and out again: a request, a line, a line, an acknowledgement
        ways = [machine.path(*ends) for _, p in parts for ends in ((unit, p.name), (p.name, unit))]
        latency = sum(way.latency_ps for way in ways) + sum(p.latency_ps for _, p in parts)
    else:
        data = machine.path(name, unit) if rows[0]["op"] == READ else machine.path(unit, name)
        latency = 2 * data.latency_ps + parts[0][1].latency_ps
    # a port is of a memory: it counts with that memory's coefficient, below
    takes = {r: Fraction(1) for r in data.resources if machine.resources[r].kind != "port"}
    ports = {machine.resources[r].component: r for r in data.resources if machine.resources[r].kind == "port"}
    inside = len(rows) == 1 and machine.units[unit].inside and machine.units[unit].local_memory == name
    caps = []
    turn = Fraction(latency)
    line = Fraction(min(256, rows[0]["bytes"]))
    lines_ps: dict[int, Fraction] = {}
    for row, (index, part) in zip(rows, parts, strict=True):
        share = Fraction(float(part.efficiency.share(row["block_bytes"], row["op"] == WRITE)))
        for at in (index, ports.get(part.name)):
            if at is not None:
                takes[at] = takes.get(at, Fraction(0)) + 1 / share
        peak = Fraction((inside and part.internal_peak_bytes_per_s) or part.peak_bytes_per_s)
        lines = {(row["address"] - part.base_address) // part.interleave_bytes}
        if row["bytes"]:
            lines |= set(range(min(lines), (row["address"] + row["bytes"] - 1 - part.base_address) // 256 + 1))
        touched = Fraction(min(len(lines), part.channels), part.channels)
        caps.append(share * peak / 10**12 * touched)
        channel = share * peak / 10**12 / part.channels
        line_ps = min(256, row["bytes"], part.interleave_bytes) / channel
        turn += line_ps
        lines_ps = {at: line_ps for at in (index, ports.get(part.name)) if at is not None} | lines_ps  # the first's
    lines_ps = {r: line * takes[r] / room_of(machine, r) for r in takes} | lines_ps
    fixed = min([*caps, *(room_of(machine, r) / takes[r] for r in takes)])
    flow = Flow(lane, begins + latency, Fraction(rows[0]["bytes"]), takes, fixed, turn, None, lines_ps)
    here = [index for index, _ in parts]
    for row, (index, part) in zip(rows, parts, strict=True):
        flow.written[index] = Fraction(int(row["op"] == WRITE), 1) if here.count(index) == 1 else Fraction(1, 2)
        if 0 < row["block_bytes"] < 1024 * part.channels and row is rows[here.index(index)]:
            flow.scattered.add(index)
        flow.streams[index] = Fraction(4 if here.count(index) == 2 else 1, together[index])
    flow.streams |= dict.fromkeys(flow.scattered, Fraction(0))
    if len(here) == 2 and here[0] == here[1]:  # it turns the memory round by itself
        fixed = min(fixed, mixed_room(machine, here[0], [flow]) / max(takes[r] for r in takes))
    flow.cap = fixed
    if turn and math.isfinite(window) and Fraction(window) / turn < fixed * (1 - Fraction(1, 10**9)):
        flow.cap, flow.window = Fraction(window) / turn, Fraction(window)
    return flow


def alone(machine: Machine, flow: Flow) -> Fraction:
    return min([flow.cap, *(room_of(machine, r) / weight for r, weight in flow.takes.items())])


def mixed_room(machine: Machine, index: int, flows: list[Flow]) -> Fraction:
    """What the memory of that index gives to the mix of these flows."""
    room = Fraction(machine.resources[index].bytes_per_s) / 10**12
    factors = mix_factors(machine.memory_list[index])
    here = [(alone(machine, f) * f.takes[index], f) for f in flows if index in f.written]
    if factors is None or not here:
        return room
    demand = sum(taken for taken, _ in here)
    written = sum(taken * f.written[index] for taken, f in here) / demand
    blocks = sum(taken for taken, f in here if index in f.scattered) / demand
    streams = math.ceil(sum(f.streams[index] for _, f in here))
    return room * Fraction(factors.factor(streams, float(1 - written), float(blocks)))


def room_of(machine: Machine, resource: int) -> Fraction:
    return Fraction(machine.resources[resource].bytes_per_s) / 10**12


def wait(flow: Flow, flows: list[Flow], room: dict[int, Fraction]) -> Fraction:
    """Of a line of the flow: half a line in service, and a line of each flow with a queue, where too much is wanted."""
    waits = Fraction(0)
    for r, line_ps in flow.lines.items():
        users = [other for other in flows if r in other.takes]
        wanted = sum((other.cap * other.takes[r] for other in users), Fraction(0))
        if len(users) > 1 and wanted > room[r]:
            queued = sum(other.window is None for other in users)
            waits += (max(queued, 1) + Fraction(1, 2)) * line_ps
    return waits


def set_rates(machine: Machine, flows: list[Flow]) -> None:
    """Textbook water filling."""
    room = {r: room_of(machine, r) for f in flows for r in f.takes}
    room |= {r: mixed_room(machine, r, flows) for r in room if r < len(machine.memory_list)}
    caps = {id(f): f.cap if f.window is None else min(f.cap, f.window / (f.turn + wait(f, flows, room))) for f in flows}
    rising = list(flows)
    while rising:
        weight = {r: sum((f.takes.get(r, Fraction(0)) for f in rising), Fraction(0)) for r in room}
        level = min([room[r] / weight[r] for r in room if weight[r]] + [caps[id(f)] for f in rising])
        full = {r for r in room if weight[r] and room[r] / weight[r] == level}
        stay = [f for f in rising if caps[id(f)] == level or full & set(f.takes)]
        for flow in stay:
            flow.rate = level
            for r, coefficient in flow.takes.items():
                room[r] -= coefficient * level
        rising = [f for f in rising if f not in stay]


def simulate(machine: Machine, program: Program) -> tuple[list[int], list[int]]:
    """Start and end of every event in ps."""
    events = [{name: int(row[name]) for name in program.events.dtype.names} for row in program.events]
    accesses = [{name: int(row[name]) for name in program.accesses.dtype.names} for row in program.accesses]
    start, end = [-1] * len(events), [-1] * len(events)
    lanes = [Lane(u, [i for i, e in enumerate(events) if e["lane"] == k]) for k, (u, _) in enumerate(program.lanes)]
    moving: list[Flow] = []
    now = 0
    while True:
        changed = True
        while changed:  # all that happens at this picosecond
            changed = False
            for number, lane in enumerate(lanes):
                event = events[lane.rows[lane.at]] if 0 <= lane.at < len(lane.rows) else None
                if event is not None and lane.until is None:
                    began = start[lane.rows[lane.at]]
                    if event["kind"] == WAIT:
                        sent = [i for i, e in enumerate(events) if e["kind"] == SIGNAL and e["token"] == event["token"]]
                        if all(end[i] >= 0 for i in sent):
                            units = [lanes[events[i]["lane"]].unit for i in sent]
                            there = [machine.path(u, lane.unit).latency_ps if u != lane.unit else 0 for u in units]
                            lane.until = max([began] + [end[i] + d for i, d in zip(sent, there, strict=True)])
                            changed = True
                    elif all(flow.over for flow in lane.flows):
                        lane.until = max(now, began + event["setup_ps"] + event["busy_ps"])
                        changed = True
                if lane.until == now and lane.at < len(lane.rows):
                    if lane.at >= 0:
                        end[lane.rows[lane.at]] = now
                    lane.at += 1
                    changed = True
                    if lane.at < len(lane.rows):
                        row = lane.rows[lane.at]
                        start[row] = now
                        lane.until, lane.flows = _begin(machine, lane.unit, number, now, events[row], accesses)
                        moving += lane.flows
            for flow in moving:
                if flow.begins <= now and flow.left == 0 and not flow.over:
                    flow.over = changed = True
        moving = [flow for flow in moving if not flow.over]
        flowing = [flow for flow in moving if flow.begins <= now]
        set_rates(machine, flowing)
        ends = {id(f): now + max(math.ceil(f.left / f.rate - _TICK), 0) for f in flowing}
        coming = [lane.until for lane in lanes if lane.until is not None and lane.until > now]
        coming += [flow.begins for flow in moving if flow.begins > now] + list(ends.values())
        if not coming:
            assert all(lane.at == len(lane.rows) for lane in lanes), "the reference is stuck"
            return start, end
        then = min(coming)
        for flow in flowing:
            flow.left = Fraction(0) if ends[id(flow)] == then else flow.left - flow.rate * (then - now)
        now = then


def _begin(
    machine: Machine, unit: str, lane: int, now: int, event: dict[str, int], accesses: list[dict[str, int]]
) -> tuple[int | None, list[Flow]]:
    if event["kind"] == COMPUTE:
        return now + event["setup_ps"] + event["busy_ps"], []
    if event["kind"] == SIGNAL:
        return now, []
    if event["kind"] == WAIT:
        return None, []
    rows = accesses[event["first_access"] : event["first_access"] + event["accesses"]]
    step = 2 if event["kind"] == COPY else 1
    groups = [rows[i : i + step] for i in range(0, len(rows), step) if rows[i]["bytes"]]
    begins = now + event["setup_ps"]
    total = sum(group[0]["bytes"] for group in groups)
    window = machine.units[unit].window_bytes
    together = Counter(memory_at(machine, row["address"])[0] for group in groups for row in group)
    flows = []
    for group in groups:
        part = max(window * group[0]["bytes"] / total, min(256, group[0]["bytes"]))
        flows.append(make_flow(machine, unit, part, lane, begins, group, together))
    return None, flows
