"""The compiled kernel: lanes and flows.

Only flows need a common clock. A lane runs ahead of it, because when its next events end is known
from its own time and from signals whose times are known; it stops at traffic or at a signal that
has no time yet. One heap holds when flows begin (their latency is over) and when those that move
bytes end at their present rates (`rates.py`).

No array is made here (see `moe_cosim.compiled`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.sim.engines.embedded.dram.refresh import ahead_ps, closing_ps
from moe_cosim.sim.engines.embedded.dram.refresh_tables import ALL_BANKS, UNKNOWN
from moe_cosim.sim.engines.embedded.dram.rows import first_line_ps, leave_open
from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.embedded.heap import pop, settle
from moe_cosim.sim.engines.embedded.neighbours import meet_others
from moe_cosim.sim.engines.embedded.queues import queue_up, settle_backlog, settle_writes, written_early
from moe_cosim.sim.engines.embedded.rates import disturb, mix_anew, share_anew
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, DEMAND_LIMIT, KernelState
from moe_cosim.sim.engines.embedded.tables import (
    COEFFICIENT_ONE,
    FIRST,
    LIMITS,
    LONGEST_PS,
    ONWARD,
    READS,
    SECOND,
    WITHIN,
    WRITES,
)
from moe_cosim.sim.engines.timeline import LATENCY_BOUND, TRAFFIC_BOUND
from moe_cosim.workloads.programs.program import COMPUTE, SIGNAL, STREAM, WAIT

RUNNING: Final = 0
OVER: Final = 1
"""Nothing moves and no lane can go on: all has ended, or never will. Or the next is past `LONGEST_PS`."""
SHORT: Final = 2
"""A lane that gates has no event left: go on with those of the next block."""
LATE: Final = 3
"""A lane went on at a time that is past for the others (see `engine.py`)."""


@compiled
def advance(p: FlatProgram, s: KernelState, events: int) -> int:
    """Go on until about `events` more events have ended: RUNNING, or why not."""
    c = s.counters[0]
    limit = c.ended + events
    while True:
        while c.ready > 0:
            c.ready -= 1
            _run_lane(p, s, s.ready[c.ready])
        if c.late > 0:
            return LATE
        if c.short > 0:
            return SHORT
        while c.waiting > 0 and s.heap[0].key == 2 * c.now_ps + 1:
            _begin_flows(p, s, pop(s))
        for index in range(c.begun):
            _meet(p, s, s.begun[index])
        if c.begun > 0 or c.disturbed > 0:
            share_anew(s)
        if c.ended >= limit:
            return RUNNING
        if c.waiting == 0 or s.heap[0].key >= 2 * LONGEST_PS:
            return OVER
        c.now_ps = s.heap[0].key >> 1
        while c.waiting > 0 and s.heap[0].key == 2 * c.now_ps:
            _end_flow(p, s, pop(s))


# -- lanes -------------------------------------------------------------------------------------


@compiled_part
def _run_lane(p: FlatProgram, s: KernelState, at: int) -> None:
    """Events of the lane up to the first whose end is not known yet."""
    c = s.counters[0]
    lane = s.lane[at]
    first = lane.next
    now = lane.time_ps
    row = first
    while row < lane.end and now < LONGEST_PS:
        event = p.events[row]
        s.start_ps[row] = now
        if event.kind == SIGNAL:
            token = np.int64(event.token) - p.first_token
            s.token_missing[token] -= 1
            if s.token_missing[token] == 0:
                waiter = s.token_waiter[token]
                while waiter >= 0:
                    s.ready[c.ready] = waiter
                    c.ready += 1
                    waiter = s.lane[waiter].after
        elif event.kind == WAIT:
            token = np.int64(event.token) - p.first_token
            if s.token_missing[token] > 0:
                lane.after = s.token_waiter[token]
                s.token_waiter[token] = at
                break
            for index in range(p.token_start[token], p.token_start[token + 1]):
                signal = p.token_signal[index]
                latency_ps = p.unit_latency_ps[s.lane[p.events[signal].lane].unit, lane.unit]
                arrives = s.end_ps[signal] + latency_ps
                if arrives > now:  # of equal arrivals the first: that of the lowest lane
                    now = arrives
                    s.bound[row] = LATENCY_BOUND
                    s.last_signal[row] = signal
            signals = p.token_start[token + 1] - p.token_start[token]
            if np.int64(event.count) > signals and s.start_ps[row] < c.forgotten_ps and now <= c.forgotten_ps:
                c.late = at + 1
        else:
            setup_ps = np.int64(event.setup_ps)
            flow, end = p.first_flow[row], p.first_flow[row + 1]
            if event.kind != COMPUTE and flow < end:
                lane.flows = end - flow
                _send(p, s, at, flow, end, now + setup_ps, event.count == 0)
                break
            now += setup_ps + np.int64(event.busy_ps)
        s.end_ps[row] = now
        row += 1
    if row == lane.end and lane.gates > 0:
        c.short = 1
    c.ended += row - first
    lane.next = row
    lane.time_ps = now


@compiled_part
def _send(p: FlatProgram, s: KernelState, lane: int, flow: int, end: int, time_ps: int, waits: bool) -> None:
    """Flows of an event on their way: those next to each other with equal latency arrive together. None `waits` where
    a kernel goes on: it has asked for these bytes while it read those before."""
    c = s.counters[0]
    s.lane[lane].owed_ps = 0.0
    next_ps = _latency_ps(p, s, lane, flow, time_ps) if waits else 0
    while flow < end:
        latency_ps = next_ps
        c.free -= 1
        at = s.free[c.free]
        slot = s.slot[at]
        slot.lane = lane
        slot.flow = flow
        while flow < end and next_ps == latency_ps:
            flow += 1
            if waits and flow < end:
                next_ps = _latency_ps(p, s, lane, flow, time_ps)
        slot.flows = flow - slot.flow
        if time_ps + latency_ps < c.now_ps:
            c.late = lane + 1
        c.waiting += 1
        settle(s, c.waiting - 1, 2 * (time_ps + latency_ps) + 1, at)


@compiled_part
def _latency_ps(p: FlatProgram, s: KernelState, lane: int, flow: int, time_ps: int) -> int:
    """Until the flow's first byte is there; what it pays for rows (`rows.py`), less by what its memory is ahead
    of its mean rate (`refresh.py`)."""
    of = p.flow[flow]
    if of.closes < 0:
        return int(of.latency_ps)
    clock = p.refresh[of.closes]
    read_ps = max(time_ps + of.latency_ps - of.back_ps, 0.0)
    latency_ps = int(of.latency_ps)
    if of.first_scattered == 0:
        row_ps = first_line_ps(clock, s.open_row[of.closes], of.offset, int(of.bytes), read_ps)
        latency_ps = max(latency_ps + int(row_ps), 0)
    if of.warps == 0 or clock.kind != ALL_BANKS:
        return latency_ps
    behind_ps = clock.stall_ps - ahead_ps(clock, read_ps)
    early_ps = min(behind_ps, float(latency_ps))
    s.lane[lane].owed_ps = behind_ps - early_ps
    return latency_ps - int(early_ps)


# -- flows -------------------------------------------------------------------------------------


@compiled_part
def _begin_flows(p: FlatProgram, s: KernelState, at: int) -> None:
    c = s.counters[0]
    first, flows, lane = s.slot[at].flow, s.slot[at].flows, s.slot[at].lane
    longest = len(s.crossing) // len(s.slot)
    for index in range(first, first + flows):
        if index > first:
            c.free -= 1
            at = s.free[c.free]
        flow = p.flow[index]
        route = p.route[flow.route]
        slot = s.slot[at]
        slot.lane = lane
        slot.remaining = flow.bytes
        slot.rate = 0.0
        slot.alone = flow.alone
        slot.repeats = 0
        slot.anchor_ps = c.now_ps
        slot.crossings = route.hops
        slot.queues = route.queues
        slot.window = flow.window
        slot.turn_ps = flow.turn_ps
        slot.fixed = flow.fixed
        slot.closes, slot.warps = flow.closes, flow.warps
        slot.offset, slot.bytes, slot.back_ps = flow.offset, int(flow.bytes), flow.back_ps
        slot.backlog = flow.backlog
        slot.owed_ps = s.lane[lane].owed_ps
        if flow.warps > 0 and slot.owed_ps > 0.0:
            skipped = min(slot.owed_ps * flow.alone, slot.remaining)
            slot.remaining -= skipped
            slot.owed_ps -= skipped / flow.alone
        of_window = flow.window / flow.turn_ps if flow.window > 0.0 else flow.alone
        slot.limited = 1 if of_window < flow.fixed * LIMITS else 0
        slot.queued_ps = queue_up(s, at) if flow.closes >= 0 else 0
        memory = p.hop[route.first_hop].resource
        clock = p.refresh[memory]
        if clock.kind != UNKNOWN:
            until_ps = c.now_ps + flow.bytes / flow.alone
            leave_open(clock, s.open_row[memory], flow.offset, slot.bytes, c.now_ps, until_ps)
            if flow.queueable > 0.0:
                slot.remaining -= _spared(s, memory, flow)
        s.begun[c.begun] = at
        c.begun += 1
        for hop in range(route.hops):
            passed = p.hop[route.first_hop + hop]
            weight = passed.weight
            number = passed.resource
            resource = s.resource[number]
            mixes = resource.mix >= 0
            if mixes:  # it may give more now, or less
                settle_writes(resource, c.now_ps)
                disturb(s, number)
            if passed.side == FIRST:
                weight = flow.first_weight
                line_ps = flow.first_line_ps
            elif passed.side == SECOND:
                weight = flow.second_weight
                line_ps = flow.second_line_ps
            else:
                line_ps = min(float(p.line_bytes), flow.bytes) * (weight / COEFFICIENT_ONE) / resource.rate
            demand = int(min(np.ceil(flow.alone * (weight / COEFFICIENT_ONE) * DEMAND_GRID), DEMAND_LIMIT))
            place = at * longest + hop
            crossing = s.crossing[place]
            crossing.resource = number
            crossing.weight = weight
            crossing.demand = demand
            crossing.offered = int(min(np.ceil(of_window * (weight / COEFFICIENT_ONE) * DEMAND_GRID), DEMAND_LIMIT))
            reads = flow.writes == READS or (flow.writes == ONWARD and passed.side == FIRST)
            crossing.read = crossing.offered if reads else 0
            crossing.line_ps = line_ps
            crossing.queue_bytes = passed.queue_bytes
            crossing.loop_ps = passed.loop_ps
            crossing.next = resource.first
            crossing.previous = -1
            if resource.first >= 0:
                s.crossing[resource.first].previous = place
            resource.first = place
            resource.users += 1
            resource.demand += demand
            resource.weight += weight
            resource.offered += crossing.offered
            resource.limited += slot.limited
            resource.queues += 1 if passed.queue_bytes > 0.0 else 0
            resource.read += crossing.read
            if mixes:
                _mix_in(flow, crossing, resource, passed.side == SECOND)
                mix_anew(p, s, number)
            disturb(s, number)


@compiled_part
def _meet(p: FlatProgram, s: KernelState, at: int) -> None:
    """Others, in the first memory of a flow that has just begun."""
    number = s.crossing[at * (len(s.crossing) // len(s.slot))].resource
    if s.slot[at].crossings == 0 or s.resource[number].mix < 0 or p.refresh[number].kind == UNKNOWN:
        return
    if meet_others(p.refresh[number], s, at):
        mix_anew(p, s, number)
        disturb(s, number)


@compiled_part
def _spared(s: KernelState, memory: int, flow: Any) -> float:
    """Bytes that the flow, which begins now, need not move for what its memory's queues take. `flow` is of FLOW."""
    early = written_early(s.resource[memory], flow.bytes, flow.room, flow.ahead, s.counters[0].now_ps)
    return float(early * flow.queueable)


@compiled_part
def _mix_in(flow: Any, crossing: Any, resource: Any, second: bool) -> None:
    """What the flow adds to the mix of one of its memories. `flow` is of FLOW."""
    crossing.written = 0
    if flow.writes == WRITES or (flow.writes == ONWARD and second):
        crossing.written = crossing.demand
    elif flow.writes == WITHIN:
        crossing.written = crossing.demand // 2
    scattered = flow.second_scattered if second else flow.first_scattered
    crossing.scattered = crossing.demand if scattered > 0 else 0
    crossing.streams = flow.second_streams if second else flow.first_streams
    crossing.meeting = 0 if second else int(crossing.demand * flow.meeting)
    resource.written += crossing.written
    resource.meeting += crossing.meeting
    resource.scattered += crossing.scattered
    resource.streams += crossing.streams


@compiled_part
def _end_flow(p: FlatProgram, s: KernelState, at: int) -> None:
    """The flow is over; with the last one of its event the event ends, at its floor at least."""
    c = s.counters[0]
    longest = len(s.crossing) // len(s.slot)
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        crossing = s.crossing[place]
        disturb(s, crossing.resource)
        resource = s.resource[crossing.resource]
        settle_writes(resource, c.now_ps)
        resource.users -= 1
        resource.demand -= crossing.demand
        resource.weight -= crossing.weight
        resource.offered -= crossing.offered
        resource.limited -= s.slot[at].limited
        resource.read -= crossing.read
        resource.queues -= 1 if crossing.queue_bytes > 0.0 else 0
        if resource.mix >= 0:
            resource.written -= crossing.written
            resource.meeting -= crossing.meeting
            resource.scattered -= crossing.scattered
            resource.streams -= crossing.streams
            mix_anew(p, s, crossing.resource)
            disturb(s, crossing.resource)
        if crossing.next >= 0:
            s.crossing[crossing.next].previous = crossing.previous
        if crossing.previous >= 0:
            s.crossing[crossing.previous].next = crossing.next
        else:
            resource.first = crossing.next
    if s.slot[at].backlog > 0:
        resource = s.resource[s.slot[at].closes]
        settle_backlog(resource, c.now_ps)
        resource.backlog -= s.slot[at].backlog
    s.free[c.free] = at
    c.free += 1
    lane = s.lane[s.slot[at].lane]
    lane.flows -= 1
    row = lane.next
    end = s.start_ps[row] + np.int64(p.events[row].setup_ps) + np.int64(p.events[row].busy_ps)
    lane.closed_ps = max(lane.closed_ps, c.now_ps)
    memory = s.slot[at].closes
    if memory >= 0:
        at_most_ps = int(p.refresh[memory].longest_ps) + 1 + s.slot[at].queued_ps
        matters = c.now_ps + at_most_ps > end  # else the event lasts longer, whatever is closed
        if matters and not (row + 1 < lane.end and _continues(p, row + 1)):
            lane.closed_ps = max(lane.closed_ps, c.now_ps + _closing_ps(p, s, at))
    if lane.flows == 0:
        if lane.closed_ps > end:
            end = lane.closed_ps
            s.bound[row] = TRAFFIC_BOUND
        s.end_ps[row] = end
        c.ended += 1
        lane.next = row + 1
        lane.time_ps = end
        s.ready[c.ready] = s.slot[at].lane
        c.ready += 1


@compiled_part
def _continues(p: FlatProgram, row: int) -> bool:
    """Whether the event is a further part of the kernel of the one before."""
    return bool(p.events[row].kind == STREAM and p.events[row].count > 0)


@compiled_part
def _closing_ps(p: FlatProgram, s: KernelState, at: int) -> int:
    """How much later than now the flow's last bytes are there, for refreshes of its memory."""
    slot = s.slot[at]
    rate = slot.fixed if slot.window > 0.0 else slot.rate
    owed_ps = slot.owed_ps if slot.warps > 0 else -1.0
    time_ps = s.counters[0].now_ps - slot.back_ps
    clock, turn = p.refresh[slot.closes], p.refresh_turn[slot.closes]
    late_ps = closing_ps(clock, turn, time_ps + slot.queued_ps, slot.offset, slot.bytes, rate, owed_ps)
    return int(slot.queued_ps) + int(late_ps)
