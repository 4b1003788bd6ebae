"""The compiled part: one channel serves requests, tick by tick, and skips the ticks in which nothing can happen.

Requests whose row was opened for them come first, then refreshes and precharges that are due, then reads, or writes
while their queue is drained.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.hw_models.dram_timing.banks import apply, ready_at
from moe_cosim.hw_models.dram_timing.channel import NEVER, Rules, State
from moe_cosim.hw_models.dram_timing.commands import ACT, BANK, PRE, PREA, RD, REF, REFB
from moe_cosim.hw_models.dram_timing.scheduler import (
    ANY,
    COLUMNS,
    ROWS,
    find_opened,
    find_queued,
    find_urgent,
    push_urgent,
)
from moe_cosim.hw_models.dram_timing.waiting import enter, leave, open_row

Ints = NDArray[np.int64]

_NOTHING, _OPENED, _URGENT, _QUEUED, _HALF, _SYNCED = range(6)
"""Where a command comes from: a request whose row was opened for it, what is due, a queue, an activate whose second
half is missing, a request for which the data clock was started."""


@compiled_part
def _say_what_is_due(r: Rules, s: State, refresh_at: int, refresh_next: int) -> tuple[int, int]:
    """Refreshes, and under the closed policy precharges, become urgent; (tick, bank) of the next refresh."""
    c = s.counters[0]
    if c.now >= refresh_at:
        refresh_at += r.refresh_every
        if r.refresh_together > 0:
            apart = r.banks // r.refresh_together
            for at in range(refresh_next, r.banks, apart):
                push_urgent(s, REFB, at)
                s.due[at] = 1
            refresh_next = (refresh_next + 1) % apart
        else:
            for scope in range(0, r.banks, r.scope_banks):
                push_urgent(s, REF, scope)
    c.wake = min(c.wake, refresh_at)
    if r.closed:
        for at in range(r.banks):
            if s.accesses[at] > 0 and s.closing[at] == 0:
                first = ready_at(s, at, PRE, BANK)
                if first <= c.now:
                    s.closing[at] = 1
                    push_urgent(s, PRE, at)
                else:
                    c.wake = min(c.wake, first)
    return refresh_at, refresh_next


@compiled_part
def _set_direction(r: Rules, s: State) -> None:
    """Reads go first until many writes wait, or no read does."""
    c = s.counters[0]
    if c.writing == 0:
        if s.size[1] > r.high or s.size[0] == 0:
            c.writing = 1
    elif s.size[1] < r.low and s.size[0] > 0:
        c.writing = 0


@compiled_part
def _choose(r: Rules, s: State, bus: int, bank: Ints, write: Ints, arrived: Ints) -> tuple[int, int, int, int]:
    """(where from, request, its place in `opened`, command) of what this bus is given now."""
    c = s.counters[0]
    if c.sync >= 0:
        return _SYNCED, c.sync, -1, RD + write[c.sync]
    if c.half_opened >= 0 and c.half_by <= c.now:
        return _HALF, c.half_opened, -1, ACT
    source, request, place, command = _NOTHING, -1, -1, 0
    if bus != ROWS:
        place = find_opened(s, bank, write, arrived)
        if place >= 0:
            source, request = _OPENED, s.opened[place]
            command = RD + write[request]
    if source == _NOTHING and c.urgent > 0 and bus != COLUMNS:
        command = find_urgent(r, s, bank)
        if command >= 0:
            source = _URGENT
    if source == _NOTHING and (c.urgent == 0 or s.urgent[0, 0] == REFB):
        _set_direction(r, s)
        request, command = find_queued(r, s, c.writing, bus)
        if request >= 0:
            source = _QUEUED
    if source == _NOTHING and c.half_opened >= 0:
        return _HALF, c.half_opened, -1, ACT
    if r.sync_read > 0 and request >= 0 and command >= RD and c.now >= c.synced_until:
        if c.half_opened >= 0 and c.half_by <= c.now + 1:  # no tick is left for a clock's start and its request
            return _HALF, c.half_opened, -1, ACT
        return _SYNCED, request, -1, command
    return source, request, place, command


@compiled_part
def _pop_urgent(s: State) -> None:
    c = s.counters[0]
    c.urgent -= 1
    if s.urgent[0, 0] == REFB:
        s.due[s.urgent[0, 1]] = 0
    elif s.urgent[0, 0] == PRE:
        s.closing[s.urgent[0, 1]] = 0
    for entry in range(c.urgent):
        s.urgent[entry, 0] = s.urgent[entry + 1, 0]
        s.urgent[entry, 1] = s.urgent[entry + 1, 1]


@compiled_part
def _finish(r: Rules, s: State, request: int, at: int, command: int, arrived: Ints) -> None:
    """A column command was given: the request is served."""
    c = s.counters[0]
    s.accesses[at] += 1
    c.done += 1
    end = c.now
    if command == RD:
        end += r.read_latency
        c.read_ticks += end - arrived[request]
        c.reads += 1
    if end > c.last:
        c.last = end
    if r.sync_read > 0:
        c.synced_until = max(c.synced_until, c.now + (r.sync_read if command == RD else r.sync_write))


@compiled_part
def _count(s: State, command: int, counted: Ints, request: int) -> None:
    """By what a request needed first."""
    if counted[request] == 0:
        counted[request] = 1
        c = s.counters[0]
        if command == ACT:
            c.misses += 1
        elif command == PRE:
            c.conflicts += 1
        else:
            c.hits += 1


@compiled_part
def _give(
    r: Rules, s: State, source: int, request: int, place: int, command: int, at: int, row: Ints, write: Ints
) -> None:
    """The command `command` to bank `at`."""
    c = s.counters[0]
    apply(r, s, at, command, r.scope if command in (PREA, REF) else BANK)
    if r.half_clocks and command not in (RD, RD + 1) and c.now % 2 == 1:
        c.paired_until = c.now + (3 if command == ACT else 1)
        c.paired_scope = at // r.scope_banks
        c.paired_bank = -1 if command in (PREA, REF) else at
    if source == _URGENT:
        if command == s.urgent[0, 0]:
            _pop_urgent(s)
        return
    if source == _OPENED:
        c.opened -= 1
        s.opened[place] = s.opened[c.opened]
        s.holder[at] = -1
    elif command != PRE:
        leave(s, request, write[request], at, row)
    if command == ACT:
        if r.split_within > 0:
            c.half_opened = request
            c.half_by = c.now + r.split_within
        else:
            open_row(s, request, at, row)


@compiled
def serve(r: Rules, s: State, bank: Ints, row: Ints, write: Ints, arrived: Ints, counted: Ints) -> None:
    """Serve all requests, which enter in order as fast as the queues take them.

    `bank`, `row`, `write` (0 or 1) of each request; `arrived` and `counted` are filled. What comes out is in
    ``s.counters``; fewer are done than there are if nothing can be given any more.
    """
    c = s.counters[0]
    requests = len(bank)
    sent = 0
    refresh_at = r.refresh_every if r.refresh_every > 0 else NEVER
    refresh_next = 0
    while c.done < requests and c.wake < NEVER:
        while sent < requests and s.size[write[sent]] < s.depth[write[sent]] and sent * r.spacing <= c.now:
            enter(s, sent, write[sent], bank[sent], row)
            arrived[sent] = c.now
            sent += 1
        c.now += 1
        c.wake = NEVER
        if r.spacing > 0 and sent < requests:
            c.wake = sent * r.spacing + 1
        refresh_at, refresh_next = _say_what_is_due(r, s, refresh_at, refresh_next)
        issued = False
        for slot in range(r.buses):
            bus = ANY if r.buses == 1 else COLUMNS + slot
            if bus == COLUMNS and r.half_clocks and c.now % 2 == 0:
                c.wake = c.now + 1  # columns can be told at the next tick again
                continue
            source, request, place, command = _choose(r, s, bus, bank, write, arrived)
            if source == _NOTHING:
                continue
            issued = True
            if source == _HALF:
                open_row(s, request, bank[request], row)
                c.half_opened = -1
                continue
            if source == _SYNCED:
                if c.sync < 0:  # the clock starts now, the request follows
                    c.sync = request
                    continue
                c.sync = -1
                place = 0
                while place < c.opened and s.opened[place] != request:
                    place += 1
                source = _OPENED if place < c.opened else _QUEUED
            at = s.urgent[0, 1] if source == _URGENT else bank[request]
            if source != _URGENT:
                _count(s, command, counted, request)
            _give(r, s, source, request, place, command, at, row, write)
            if source != _URGENT and command >= RD:
                _finish(r, s, request, at, command, arrived)
        if issued:
            c.wake = c.now + 1
        elif c.wake < NEVER:
            c.now = max(c.now, c.wake - 1)
