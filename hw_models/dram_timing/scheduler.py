"""Which command is given next: FR-FCFS (Rixner et al., ISCA 2000), refreshes and precharges that are due."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models.dram_timing.banks import edge_takes, ready_at
from moe_cosim.hw_models.dram_timing.channel import Rules, State
from moe_cosim.hw_models.dram_timing.commands import ACT, BANK, PRE, PREA, RD, REF, REFB

ANY, COLUMNS, ROWS = 0, 1, 2
"""Which commands a bus takes."""

Ints = NDArray[np.int64]


@compiled_part
def find_queued(r: Rules, s: State, which: int, slot: int) -> tuple[int, int]:
    """(request, command) of the oldest request whose next command the slot can take now, or (-1, 0)."""
    c = s.counters[0]
    found, found_command = -1, 0
    for at in range(r.banks):
        oldest = s.oldest[which, at]
        if oldest < 0 or s.due[at]:
            continue
        hit, other, away = -1, oldest, ACT
        if s.row[at] >= 0:
            hit, other, away = s.hit[which, at], s.other[which, at], PRE
            if s.holder[at] >= 0 or (r.row_hits_first and 0 <= hit < other):
                other = -1
        elif c.half_opened >= 0:
            other = -1
        for choice in range(2):
            request = other if choice else hit
            command = away if choice else RD + which
            if request < 0 or (found >= 0 and request > found):
                continue
            if slot != ANY and (slot == COLUMNS) != (command >= RD):
                continue
            first = ready_at(s, at, command, BANK)
            if first <= c.now and edge_takes(r, s, command, at):
                found, found_command = request, command
            else:
                c.wake = min(c.wake, max(first, c.now + 1))
    return found, found_command


@compiled_part
def find_opened(s: State, bank: Ints, write: Ints, arrived: Ints) -> int:
    """Place of the oldest request whose row was opened for it and whose column command may be given, or -1."""
    c = s.counters[0]
    found = -1
    for place in range(c.opened):
        request = s.opened[place]
        first = ready_at(s, bank[request], RD + write[request], BANK)
        if first > c.now:
            if first < c.wake:
                c.wake = first
        elif found < 0 or arrived[request] < arrived[s.opened[found]]:
            found = place
    return found


@compiled_part
def find_urgent(r: Rules, s: State, bank: Ints) -> int:
    """The command that the first of the urgent ones needs now, or -1 while it has to wait."""
    c = s.counters[0]
    command, at = s.urgent[0, 0], s.urgent[0, 1]
    deepest = BANK
    held = s.holder[at] >= 0
    half = c.half_opened >= 0 and bank[c.half_opened] == at
    if command == REF:
        deepest = r.scope
        held = False
        half = c.half_opened >= 0 and bank[c.half_opened] // r.scope_banks == at // r.scope_banks
        for one in range(at, at + r.scope_banks):
            if s.row[one] >= 0:
                command = PREA
            if s.holder[one] >= 0:
                held = True
        held = held and command == PREA
    elif command == REFB:
        if s.row[at] >= 0:
            command = PRE
        else:
            held = False
    first = ready_at(s, at, command, deepest)
    if first <= c.now and not held and not half and edge_takes(r, s, command, at):
        return int(command)
    c.wake = min(c.wake, max(first, c.now + 1))
    return -1


@compiled_part
def push_urgent(s: State, command: int, bank: int) -> None:
    c = s.counters[0]
    s.urgent[c.urgent, 0] = command
    s.urgent[c.urgent, 1] = bank
    c.urgent += 1
