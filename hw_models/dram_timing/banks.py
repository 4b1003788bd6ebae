"""When a command may be given, and what must wait for it."""

from __future__ import annotations

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models.dram_timing.channel import Rules, State
from moe_cosim.hw_models.dram_timing.commands import ACT, COMMANDS, PRE, PREA, RANK


@compiled_part
def ready_at(s: State, bank: int, command: int, deepest: int) -> int:
    """The first tick for this command."""
    first = 0
    for level in range(deepest + 1):
        at = s.ready[s.node[bank, level], command]
        if at > first:
            first = at
    return first


@compiled_part
def apply(r: Rules, s: State, bank: int, command: int, deepest: int) -> None:
    """What must wait for a command that is given now, and the state of banks after it."""
    now = s.counters[0].now
    for level in range(deepest + 1):
        node = s.node[bank, level]
        for following in range(COMMANDS):
            gap = s.limit[level, command, following]
            if gap > 0 and now + gap > s.ready[node, following]:
                s.ready[node, following] = now + gap
    if r.sibling_ranks > 1 and deepest >= RANK:
        mine = s.node[bank, RANK]
        first = s.node[0, RANK] + (mine - s.node[0, RANK]) // r.sibling_ranks * r.sibling_ranks
        for node in range(first, first + r.sibling_ranks):
            for following in range(COMMANDS):
                gap = s.sibling[command, following]
                if node != mine and gap > 0 and now + gap > s.ready[node, following]:
                    s.ready[node, following] = now + gap
    if command == ACT:
        node = s.node[bank, r.scope]
        oldest = s.activates[node, 4]
        s.activates[node, oldest] = now
        oldest = (oldest + 1) % 4
        s.activates[node, 4] = oldest
        again = s.activates[node, oldest] + r.four_activates
        if again > s.ready[node, ACT]:
            s.ready[node, ACT] = again
    elif command in (PRE, PREA):
        start = bank if command == PRE else bank // r.scope_banks * r.scope_banks
        for closed in range(start, start + (1 if command == PRE else r.scope_banks)):
            s.row[closed] = -1
            s.hit[0, closed] = s.hit[1, closed] = -1
            s.accesses[closed] = 0


@compiled_part
def edge_takes(r: Rules, s: State, command: int, bank: int) -> bool:
    """The second half of a clock is for precharges, of another bank than its first half's row command."""
    c = s.counters[0]
    if r.half_clocks == 0 or c.now % 2 == 1:
        return True
    if command not in (PRE, PREA):
        return False
    if c.now != c.paired_until or bank // r.scope_banks != c.paired_scope:
        return True
    return bool(command == PRE and c.paired_bank >= 0 and c.paired_bank != bank)
