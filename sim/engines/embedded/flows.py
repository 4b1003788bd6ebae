"""The compiled passes that turn the accesses of a program into flows.

`survey` finds out what the program uses: how many flows each event has, which memory each access lies
in, and which routes and access patterns occur. What those are like is then worked out in Python, once
for each (`tables.py`); `fill` puts it together, flow by flow.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.hw_models import access_rate
from moe_cosim.sim.engines.embedded.dram.meeting import time_together
from moe_cosim.sim.engines.embedded.dram.mixes import ONE_STREAM, factor_of
from moe_cosim.sim.engines.embedded.dram.refresh_tables import UNKNOWN
from moe_cosim.sim.engines.embedded.dram.rows import lines_ps
from moe_cosim.sim.engines.embedded.flash import (
    command_of,
    first_bytes,
    flash_turn_ps,
    page_ps,
    paged,
    piece_of,
    under_way,
)
from moe_cosim.sim.engines.embedded.parts import BUSY, kernel_end, survey_kernel
from moe_cosim.sim.engines.embedded.tables import (
    COEFFICIENT_ONE,
    LIMITS,
    LONGEST_PS,
    NO_KEY,
    NO_MEMORY,
    ONWARD,
    READS,
    WITHIN,
    WRITES,
    MachineTables,
)
from moe_cosim.workloads.programs.program import COPY, STREAM, WRITE

FITS: Final = -1
FULL: Final = -2
DAYS: Final = -3
"""What `survey` returns where it returns no row: all is well; more routes or patterns than half the room
for them; an event that takes days."""

_DAYS_PS: Final = np.uint64(LONGEST_PS // 4)
_PARTS: Final = 1 << 20
"""Of the demand of a copy within a memory."""
_MOST_ACCESSES: Final = 8
"""Of an event, whose places in a memory are compared."""
_NEARLY: Final = 0.95
"""Who gets so much of what a memory gives is limited by it."""
_SCATTER: Final = 0x1E3779B97F4A7C15
"""Multiplying by it (the golden ratio's digits) spreads keys over the upper bits."""

_channel_cap = compiled_part(access_rate.channel_cap)
_line_time_ps = compiled_part(access_rate.line_time_ps)
_window_cap = compiled_part(access_rate.window_cap)


@compiled
def survey(
    t: MachineTables,
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    first_flow: NDArray[np.int64],
    memory: NDArray[np.int32],
    lane_events: NDArray[np.int64],
    lane_flows: NDArray[np.int64],
    used: int,
) -> int:
    """Fill `first_flow` [E + 1], `memory` [A] of what moves, and of each lane the events (`lane_events`
    [L], zero) and the most flows that one of them has (`lane_flows` [L], zero). `used` keys are in the tables.

    Returns FITS, FULL, DAYS or the row of an access that lies in no memory.
    """
    count = np.int64(0)
    for row in range(len(events)):
        event = events[row]
        if event.setup_ps >= _DAYS_PS or event.busy_ps >= _DAYS_PS:
            return DAYS
        first_flow[row] = count
        lane_events[event.lane] += 1
        if event.kind != STREAM and event.kind != COPY:
            continue
        ends = 2 if event.kind == COPY else 1
        first = np.int64(event.first_access)
        for source in range(first, first + np.int64(event.accesses), ends):
            if accesses[source].bytes == 0:
                continue
            for access in range(source, source + ends):
                memory[access] = _memory_at(t.memory, accesses[access].address, accesses[access].bytes)
                if memory[access] == NO_MEMORY:
                    return access
                used += _note(t.pattern_keys, _pattern(accesses, access, memory))
            used += _note(t.route_keys, _route(t, event.lane, accesses, source, ends, memory))
            count += 1
            if 2 * used > len(t.route_keys):
                return FULL
        lane_flows[event.lane] = max(lane_flows[event.lane], count - first_flow[row])
    first_flow[len(events)] = count
    return FITS


@compiled
def fill(
    t: MachineTables,
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    first_flow: NDArray[np.int64],
    memory: NDArray[np.int32],
    flows: NDArray[np.void],
    line_bytes: int,
    meeting: NDArray[np.int64],
    channel_bytes: NDArray[np.float64],
    together: NDArray[np.float64],
) -> bool:
    """Fill `flows` [F of FLOW]; False where the window of a unit lets nothing through.

    `meeting` [M] is scratch, zero; so are `channel_bytes` and `together`, of `survey_kernel`.
    """
    kernel = end = 0
    kernel_bytes = 0.0
    for row in range(len(events)):
        if row >= end:
            kernel, end = row, kernel_end(events, row) if events[row].kind == STREAM else row + 1
            if end > row + 1:
                kernel_bytes = survey_kernel(t, events, accesses, memory, row, end, channel_bytes, together)
        if first_flow[row] == first_flow[row + 1]:
            continue
        event = events[row]
        is_part = end > kernel + 1
        unit = t.lane_unit[event.lane]
        ends = 2 if event.kind == COPY else 1
        first: Any = np.int64(event.first_access)
        total = 0.0
        for source in range(first, first + np.int64(event.accesses), ends):
            total += np.float64(accesses[source].bytes)
            if accesses[source].bytes > 0:
                for access in range(source, source + ends):
                    meeting[memory[access]] += 1
        at = first_flow[row]
        for source in range(first, first + np.int64(event.accesses), ends):
            if accesses[source].bytes == 0:
                continue
            size = np.float64(accesses[source].bytes)
            target = source + ends - 1
            place = t.route_of[_slot(t.route_keys, _route(t, event.lane, accesses, source, ends, memory))]
            route = t.route[place]
            part = t.memory_part[memory[source]]
            inside = ends == 1 and t.inside[unit] == memory[source]
            peak = part.array_bytes_per_s if inside else part.port_bytes_per_s
            share = t.share_of[_slot(t.pattern_keys, _pattern(accesses, source, memory))]
            cap, line_ps = _memory_side(part, peak, accesses[source], share, line_bytes)
            if is_part and cap < np.inf:
                together_cap = share * peak / access_rate.PS_PER_S * (together[BUSY, memory[source]] / part.channels)
                cap = max(cap, together_cap)
            offset: Any = np.int64(accesses[source].address) - part.base
            clock = t.refresh[memory[source]]
            is_read = ends == 2 or accesses[source].op != WRITE
            latency_ps = float(route.latency_ps)
            turn_ps = latency_ps + line_ps
            window, least = t.window_bytes[unit], float(line_bytes)
            page_factor = paged(part, accesses[source])
            first_pages = own = 0.0
            if part.page_bytes > 0:
                cap = cap / page_factor if is_read else np.inf  # what is written goes to any die
                line_ps = page_ps(part, share)
                piece = piece_of(accesses[source])
                window = under_way(window, t.command_bytes[unit], piece)
                least = command_of(t.command_bytes[unit], piece, float(part.page_bytes))
                own = max(window * (size / total), min(least, size))
                commands = own / least
                first_pages = first_bytes(float(part.page_bytes), part.channels, not is_read)
                first_pages = min(size * page_factor, min(max(own, float(part.page_bytes)), first_pages))
                turn_ps = flash_turn_ps(part, accesses[source], share, latency_ps, least, commands, is_read)
            if is_read and clock.kind != UNKNOWN:
                line = min(min(np.float64(line_bytes), size), np.float64(part.interleave_bytes))
                turn_ps += clock.wait_ps * np.ceil(line / clock.bank_bytes)
                if _is_scattered(part, accesses[source]) == 0:
                    own = _window_cap(t.window_bytes[unit], size, total, float(line_bytes), 1.0)
                    if own < 2.0 * part.port_bytes_per_s / access_rate.PS_PER_S * turn_ps:  # else it limits nothing
                        turn_ps = max(turn_ps + lines_ps(clock, own, turn_ps), line_ps)
            first_line_ps = second_line_ps = line_ps
            first_weight = second_weight = page_factor / share
            flow = flows[at]
            flow.writes = WRITES if ends == 1 and accesses[source].op == WRITE else READS
            flow.first_scattered = flow.second_scattered = _is_scattered(part, accesses[source])
            flow.first_streams = flow.second_streams = _streams(flow.first_scattered, meeting[memory[source]])
            flow.meeting = flow.ahead = 0.0
            compared = clock.kind != UNKNOWN and flow.first_scattered == 0
            if compared and 1 < event.accesses <= _MOST_ACCESSES:
                flow.meeting = _meeting(accesses, memory, clock, source, first, first + np.int64(event.accesses))
            if ends == 2:
                share = t.share_of[_slot(t.pattern_keys, _pattern(accesses, target, memory))]
                part = t.memory_part[memory[target]]
                other, line_ps = _memory_side(part, part.port_bytes_per_s, accesses[target], share, line_bytes)
                turn_ps += line_ps
                second_line_ps = line_ps
                if part.page_bytes > 0:
                    other = np.inf
                cap = min(cap, other)
                second_weight = paged(part, accesses[target]) / share
                flow.writes = ONWARD
                flow.second_scattered = _is_scattered(part, accesses[target])
                flow.second_streams = _streams(flow.second_scattered, meeting[memory[target]])
                if memory[source] == memory[target]:  # crosses its only memory twice
                    first_weight += second_weight
                    flow.writes = WITHIN
                    flow.first_streams *= 4  # each of the two counted both
            of_window = _window_cap(window, size, total, least, turn_ps)
            if not min(of_window, cap) > 0.0:
                return False
            flow.route = place
            flow.bytes = size
            flow.first_weight = int(np.rint(first_weight * COEFFICIENT_ONE))
            flow.second_weight = int(np.rint(second_weight * COEFFICIENT_ONE))
            queued_rate = np.inf if flow.writes == WRITES else 0.0  # while its writes fit into the queues
            first_rate = burst_rate = route.first_rate / (flow.first_weight / COEFFICIENT_ONE)
            second_rate = route.second_rate / (flow.second_weight / COEFFICIENT_ONE)
            if flow.writes == WITHIN and not np.isnan(t.mix_scattered[memory[source], 0]):  # it is a mix by itself
                blocks = _PARTS if flow.first_scattered > 0 else 0
                factor = factor_of(
                    t.mix_streams,
                    t.mix_scattered,
                    t.mix_together,
                    memory[source],
                    2 * ONE_STREAM,
                    _PARTS,
                    _PARTS // 2,
                    blocks,
                    int(_PARTS * flow.meeting),
                )
                array_rate = part.array_bytes_per_s / access_rate.PS_PER_S
                first_rate = min(first_rate, array_rate * factor / (flow.first_weight / COEFFICIENT_ONE))
                queued_rate = array_rate / (first_weight - second_weight)
                flow.ahead = route.latency_ps / 2.0 * queued_rate  # the first byte comes before it can be written
            fixed = min(cap, min(route.fabric_rate, min(first_rate, second_rate)))
            burst_rate = max(fixed, min(cap, min(route.fabric_rate, min(burst_rate, second_rate))))
            known = not np.isnan(t.mix_scattered[memory[source], 0]) and not np.isnan(
                t.mix_scattered[memory[target], 0]
            )
            if (known or first_pages > 0.0) and of_window < fixed and route.queues == 0:
                whole = size * (kernel_bytes / total) if is_part else size
                held = own if first_pages > 0.0 else of_window * turn_ps
                of_window, early_ps = _bursts(whole, held, of_window, fixed, burst_rate)
                latency_ps = max(latency_ps - early_ps, 0.0)
            if first_pages > 0.0:  # the latency holds their time
                latency_ps = max(latency_ps - first_pages / (page_factor * min(cap, first_rate)), 0.0)
            flow.latency_ps = int(latency_ps)
            flow.closes = memory[source] if is_read and clock.kind != UNKNOWN else -1
            flow.offset = offset
            flow.back_ps = max(route.latency_ps - route.ask_ps - clock.open_ps, 0.0)
            flow.warps = 1 if min(of_window, fixed) >= min(cap, first_rate) * _NEARLY else 0
            flow.queueable = flow.room = 0.0
            if queued_rate > 0.0 and flow.warps > 0 and clock.kind != UNKNOWN:
                flow.room = clock.write_queue_bytes if flow.writes == WRITES else clock.standing_writes_bytes
                flow.queueable = max(1.0 - fixed / min(route.fabric_rate, max(queued_rate, fixed)), 0.0)
            flow.backlog = 0
            if flow.closes >= 0 and flow.warps > 0 and of_window < np.inf:
                flow.backlog = int(max(min(of_window * turn_ps, size) - fixed * turn_ps, 0.0))
            flow.alone = min(of_window, fixed)
            flow.fixed = fixed
            flow.window = 0.0
            if of_window < fixed * LIMITS or (route.queues > 0 and of_window < np.inf):
                flow.window = of_window * turn_ps
            flow.turn_ps = turn_ps
            flow.first_line_ps = first_line_ps
            flow.second_line_ps = second_line_ps
            at += 1
        for source in range(first, first + np.int64(event.accesses), ends):
            if accesses[source].bytes > 0:
                for access in range(source, source + ends):
                    meeting[memory[access]] = 0
    return True


@compiled_part
def _meeting(
    accesses: NDArray[np.void], memory: NDArray[np.int32], clock: Any, access: int, first: int, end: int
) -> float:
    """Of the time of one of an event's accesses [first, end), the most that it is in the banks of another."""
    most = 0.0
    this = accesses[access]
    for row in range(first, end):
        other = accesses[row]
        if row == access or this.bytes == 0 or other.bytes == 0 or memory[row] != memory[access]:
            continue
        apart: Any = np.int64(other.address) - np.int64(this.address)
        at_end: Any = apart + np.int64(other.bytes) - np.int64(this.bytes)
        most = max(most, time_together(np.float64(clock.set_bytes), clock.sets, apart, at_end))
    return most


@compiled_part
def _bursts(size: float, window: float, rate: float, fixed: float, burst: float) -> tuple[float, float]:
    """Rate that the window allows, and how much earlier the first byte is there, of a flow whose window limits it to
    `rate` bytes per ps, less than the `fixed` rate of all else.

    A window's lines are asked for together and come together, at the rate of a `burst`; the next are asked for as they
    come. So the end is that of the last, perhaps smaller, burst, and not a whole turn after it.
    """
    if size <= window:
        return np.inf, size * (1.0 / fixed - 1.0 / burst)
    last = size - window * (np.ceil(size / window) - 1.0)
    return rate, last * (1.0 / rate - 1.0 / burst)


@compiled_part
def _is_scattered(part: Any, access: Any) -> int:
    """1 where it is. `part` is of MEMORY_PART, `access` of ACCESS."""
    block: Any = np.int64(access.block_bytes)
    return 1 if 0 < block < part.scattered_below else 0


@compiled_part
def _streams(scattered: int, meeting: int) -> int:
    """What one of so many accesses of an event to a memory counts for; scattered blocks are no stream."""
    return 0 if scattered > 0 else ONE_STREAM // meeting


@compiled_part
def _memory_at(memory: NDArray[np.void], address: int, size: int) -> int:
    """Index of the memory that holds the whole range, or NO_MEMORY. `memory` is sorted by address."""
    low, high = 0, len(memory)
    while low < high:
        middle = (low + high) // 2
        if memory[middle].base <= address:
            low = middle + 1
        else:
            high = middle
    if low == 0 or address >= memory[low - 1].end or size > memory[low - 1].end - address:
        return NO_MEMORY
    return int(memory[low - 1].index)


@compiled_part
def _route(
    t: MachineTables, lane: int, accesses: NDArray[np.void], source: int, ends: int, memory: NDArray[np.int32]
) -> int:
    """The key of the unit, what it does (READ, WRITE, or 2 for a copy) and the memory or memories."""
    op = np.int64(accesses[source].op) if ends == 1 else 2
    target = memory[source + 1] + 1 if ends == 2 else 0
    memories = len(t.memory)
    return int(((t.lane_unit[lane] * 3 + op) * memories + memory[source]) * (memories + 1) + target)


@compiled_part
def _pattern(accesses: NDArray[np.void], access: int, memory: NDArray[np.int32]) -> int:
    """The key of the memory, the operation and the length of contiguous blocks."""
    key: Any = np.int64(memory[access]) << 33 | np.int64(accesses[access].block_bytes)
    return int(key | 1 << 32 if accesses[access].op == WRITE else key)


@compiled_part
def _slot(keys: NDArray[np.int64], key: int) -> int:
    """Where the key is, or would be put. Open addressing: there is always a free slot."""
    last = len(keys) - 1  # the length is a power of two
    at = ((key * _SCATTER) >> 30) & last
    while keys[at] != key and keys[at] != NO_KEY:
        at = (at + 1) & last
    return at


@compiled_part
def _note(keys: NDArray[np.int64], key: int) -> int:
    """Put the key where it belongs; 1 where it is new."""
    at = _slot(keys, key)
    if keys[at] == key:
        return 0
    keys[at] = key
    return 1


@compiled_part
def _memory_side(part: Any, peak: float, access: Any, share: float, line_bytes: int) -> tuple[float, float]:
    """Rate that the touched channels allow, and the time of a line. `part` is of MEMORY_PART, `access` of ACCESS."""
    size: Any = np.int64(access.bytes)
    offset = np.int64(access.address) - part.base
    cap = _channel_cap(share, peak, part.channels, part.interleave_bytes, offset, size)
    return cap, _line_time_ps(share, peak, part.channels, part.interleave_bytes, size, line_bytes)
