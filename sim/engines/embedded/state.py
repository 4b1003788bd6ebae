"""All that changes during a run of the kernel, as tables."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.timeline import COMPUTE_BOUND

DEMAND_GRID: Final = 2.0**30
"""Demand is counted in 2^-30 bytes per ps, about 1 kB/s, rounded up: a resource may be taken for
contended that is not, which costs time but changes no rate."""

DEMAND_LIMIT: Final = 2.0**45
"""No flow counts for more (33 PB/s), so that the sum over 2^17 flows stays within int64."""

COUNTERS: Final = np.dtype(
    [
        ("ended", np.int64),  # events
        ("now_ps", np.int64),  # the common clock of the flows
        ("ready", np.int64),  # lanes on the stack
        ("waiting", np.int64),  # entries of the heap
        ("free", np.int64),  # slots on the stack
        ("begun", np.int64),  # flows in the list
        ("disturbed", np.int64),  # resources in the list
        ("mark", np.int64),  # of the last sharing out
        ("chosen", np.int64),  # flows in the list
        ("reached", np.int64),  # resources in the list
        ("short", np.int64),  # 1: a lane that gates has no event left
        ("late", np.int64),  # one more than the lane that went on in the past, or 0
        ("forgotten_ps", np.int64),  # all signals that are not in the window have arrived by then
    ]
)

LANE: Final = np.dtype(
    [
        ("unit", np.int64),
        ("next", np.int64),  # event it is at
        ("end", np.int64),  # one past its last event
        ("time_ps", np.int64),  # when the event it is at starts
        ("flows", np.int64),  # that it still waits for
        ("after", np.int64),  # next lane that waits for the same token, or -1
        ("closed_ps", np.int64),  # when the reads of its event that had to wait for refreshes are there
        ("owed_ps", np.float64),  # see `refresh.py`
        ("gates", np.int64),  # 1: the next block must be there before its events run out
    ]
)

SLOT: Final = np.dtype(
    [
        ("lane", np.int64),
        ("flow", np.int64),  # before they move: the first of `flows` flows that arrive together
        ("flows", np.int64),
        ("place", np.int64),  # in the heap
        ("remaining", np.float64),  # bytes at `anchor_ps`
        ("rate", np.float64),  # bytes per ps since then; 0 of a flow that has just begun
        ("alone", np.float64),  # the rate that its window and it alone allow; less where its lines wait (waiting.py)
        ("anchor_ps", np.int64),
        ("crossings", np.int64),
        ("mark", np.int64),  # of the sharing out that chose it last
        ("new_rate", np.float64),  # scratch
        ("repeats", np.int64),  # 1: its rate was found at a level that came up again (see kernel.py)
        ("limited", np.int64),  # 1: alone its window limits it
        ("queues", np.int64),  # as in ROUTE
        ("window", np.float64),  # as in FLOW
        ("turn_ps", np.float64),
        ("fixed", np.float64),
        ("closes", np.int64),
        ("offset", np.int64),
        ("bytes", np.int64),
        ("back_ps", np.float64),
        ("warps", np.int64),
        ("backlog", np.int64),
        ("queued_ps", np.int64),  # that its first read waited behind others
        ("owed_ps", np.float64),  # that it should have begun earlier yet (`refresh.py`)
    ]
)
"""A flow under way, or flows of one event that are on their way together."""

CROSSING: Final = np.dtype(
    [
        ("resource", np.int64),
        ("weight", np.int64),  # what one byte takes of the resource (COEFFICIENT_ONE)
        ("demand", np.int64),  # what the flow would take at its rate alone (DEMAND_GRID), and of that:
        ("written", np.int64),  # as writes
        ("scattered", np.int64),  # in scattered blocks
        ("meeting", np.int64),  # in banks of another access of its event
        ("streams", np.int64),  # what it counts for (ONE_STREAM)
        ("offered", np.int64),  # what it would take if nothing but its window limited it (DEMAND_GRID)
        ("read", np.int64),  # the same of what is read from a memory
        ("line_ps", np.float64),  # that the resource takes for one of its lines
        ("queue_bytes", np.float64),  # as in HOP
        ("loop_ps", np.float64),
        ("next", np.int64),  # in the resource's list, or -1
        ("previous", np.int64),
    ]
)
"""Of a flow and a resource on its route: a place in the resource's list of flows."""

RESOURCE: Final = np.dtype(
    [
        ("base", np.float64),  # bytes per ps, and
        ("rate", np.float64),  # that times the factor of the mix that crosses it now
        ("limit", np.int64),  # the same in units of demand
        ("least", np.int64),  # the least that the limit may be, whatever the mix
        ("users", np.int64),  # flows that cross it now, and of those:
        ("demand", np.int64),
        ("weight", np.int64),
        ("mix", np.int64),  # of a memory whose DRAM is known its number, else -1; then the sums of:
        ("written", np.int64),
        ("scattered", np.int64),
        ("meeting", np.int64),
        ("streams", np.int64),
        ("limited", np.int64),  # flows that alone their windows limit
        ("queues", np.int64),  # flows before which bytes stand in order of arrival
        ("offered", np.int64),
        ("read", np.int64),  # of that, what is read from it
        ("bank_open_ps", np.float64),  # of a memory whose banks conflict (`RowConflicts`); else 0
        ("reopen_ps", np.float64),
        ("recovery_ps", np.float64),
        ("backlog", np.int64),  # bytes that stand before a memory, of flows that began before
        ("backlog_ps", np.int64),  # this, and
        ("backlog_now", np.int64),  # of those that began then
        ("queue_bytes", np.int64),  # what its controllers take of it
        ("queued_writes", np.float64),  # bytes that stand in its controllers' queues
        ("queued_ps", np.int64),  # then, without
        ("queued_now", np.int64),  # those that came then, in QUEUE_GRID of a byte
        ("first", np.int64),  # crossing of its list, or -1
        ("disturbed", np.int64),  # 1: in the list of those
        ("mark", np.int64),  # of the sharing out that saw it last
        ("full_at", np.float64),  # level at which it was full and held flows back; infinite: it holds nobody back
        ("filled", np.float64),  # scratch: the same, in this sharing out
        ("given", np.float64),  # scratch: the next rate of a flow that keeps it
        ("level", np.float64),  # scratch: common rate at which it is full; infinite: cannot bind
        ("open", np.int64),  # scratch: weight of the flows without a rate
        ("frozen", np.int64),  # scratch: weight that leaves `open` now
        ("used", np.float64),  # scratch: bytes per ps of the flows with a rate
    ]
)

OPEN_ROW: Final = np.dtype(
    [
        ("row", np.int64),  # or -1
        ("used_ps", np.float64),  # when it was, last
        ("first_block", np.int64),  # of the interleaving, and
        ("blocks", np.int64),  # how many, one to a channel
        ("begun_ps", np.int64),  # when the access began that used it
    ]
)
"""Of a set of banks; behind them, of the last access that was in all (`rows.py`)."""

ENTRY: Final = np.dtype([("key", np.int64), ("slot", np.int64)])
"""Of the heap. The key is twice the time, plus 1 where flows begin: at one time, ends come first."""


class KernelState(NamedTuple):
    """Carried from slice to slice, so that a run can stop and go on. C: flows that can be under way."""

    start_ps: NDArray[np.int64]  # [E]
    end_ps: NDArray[np.int64]  # [E]
    bound: NDArray[np.uint8]  # [E] as in Timeline
    last_signal: NDArray[np.int64]  # [E] as in Timeline
    token_missing: NDArray[np.int64]  # [T] signals without a time yet
    token_waiter: NDArray[np.int64]  # [T] first lane that waits, or -1
    counters: NDArray[np.void]  # [1] of COUNTERS
    lane: NDArray[np.void]  # [L] of LANE
    ready: NDArray[np.int64]  # [L] a stack of lanes that can go on
    slot: NDArray[np.void]  # [C] of SLOT
    free: NDArray[np.int64]  # [C] a stack of slots
    crossing: NDArray[np.void]  # [C * longest route] of CROSSING
    heap: NDArray[np.void]  # [C] of ENTRY
    resource: NDArray[np.void]  # [R] of RESOURCE
    open_row: NDArray[np.void]  # [M, S + 1] of OPEN_ROW
    disturbed: NDArray[np.int64]  # [R] resources whose flows must be given rates anew
    begun: NDArray[np.int64]  # [C] slots of flows that have begun and have no rate yet
    chosen: NDArray[np.int64]  # [C] scratch: slots that get a new rate
    open: NDArray[np.int64]  # [C] scratch: slots whose rate is not found yet
    reached: NDArray[np.int64]  # [R] scratch: contended resources of theirs


def new_state(flat: FlatProgram) -> KernelState:
    """Nothing has happened: every lane is ready at time 0."""
    lane = np.zeros(len(flat.lane_unit), dtype=LANE)
    lane["unit"], lane["after"] = flat.lane_unit, -1
    resource = np.zeros(len(flat.resource_rate), dtype=RESOURCE)
    resource["rate"] = resource["base"] = flat.resource_rate
    resource["first"] = resource["mix"] = -1
    known = np.flatnonzero(~np.isnan(flat.mix_scattered[:, 0]))
    resource["mix"][known] = known  # a machine's first resources are its memories, in order
    lowest = [flat.mix_streams.min(axis=(1, 2)), flat.mix_scattered.min(axis=1), flat.mix_together.min(axis=1)]
    least = np.minimum.reduce(lowest)[known]
    resource["least"][known] = np.minimum(flat.resource_rate[known] * least * DEMAND_GRID, DEMAND_LIMIT)
    resource["queue_bytes"][: len(flat.refresh)] = flat.refresh["queue_bytes"]
    for name in flat.conflicts.dtype.names or ():
        resource[name][: len(flat.conflicts)] = flat.conflicts[name]
    open_row = np.zeros((len(flat.refresh), int(flat.refresh["sets"].max(initial=0)) + 1), dtype=OPEN_ROW)
    open_row["row"] = open_row["begun_ps"] = -1
    resource["level"] = resource["full_at"] = math.inf
    resource["limit"] = np.minimum(flat.resource_rate * DEMAND_GRID, DEMAND_LIMIT)
    resource["limit"][np.isinf(flat.resource_rate)] = np.iinfo(np.int64).max
    nothing = np.zeros(0, dtype=np.int64)
    empty = KernelState(
        start_ps=nothing,
        end_ps=nothing,
        bound=nothing.astype(np.uint8),
        last_signal=nothing,
        token_missing=nothing,
        token_waiter=nothing,
        counters=np.zeros(1, dtype=COUNTERS),
        lane=lane,
        ready=np.zeros(len(lane), dtype=np.int64),
        slot=np.zeros(0, dtype=SLOT),
        free=nothing,
        crossing=np.zeros(0, dtype=CROSSING),
        heap=np.zeros(0, dtype=ENTRY),
        resource=resource,
        open_row=open_row,
        disturbed=np.zeros(len(resource), dtype=np.int64),
        begun=nothing,
        chosen=nothing,
        open=nothing,
        reached=np.zeros(len(resource), dtype=np.int64),
    )
    return with_events(empty, flat, flat.lane_start[:-1])


def with_events(state: KernelState, flat: FlatProgram, begin: NDArray[np.int64]) -> KernelState:
    """The state at another list of events, in which lane l is at row ``begin[l]``; its columns are empty."""
    events, tokens = len(flat.events), len(flat.token_start) - 1
    state = _with_room(state, int(flat.lane_flows.sum()), int(flat.route["hops"].max(initial=0)))
    state.lane["next"], state.lane["end"] = begin, flat.lane_start[1:]
    ready = np.flatnonzero(state.lane["flows"] == 0)  # those that wait for a signal look for it again
    state.ready[: len(ready)] = ready
    state.counters["ready"] = len(ready)
    return state._replace(
        start_ps=np.zeros(events, dtype=np.int64),
        end_ps=np.zeros(events, dtype=np.int64),
        bound=np.full(events, COMPUTE_BOUND, dtype=np.uint8),
        last_signal=np.full(events, -1, dtype=np.int64),
        token_missing=np.diff(flat.token_start),
        token_waiter=np.full(tokens, -1, dtype=np.int64),
    )


def _with_room(state: KernelState, slots: int, longest: int) -> KernelState:
    """The state with so many slots, each with so many crossings, at the least."""
    old_slots = len(state.slot)
    old_longest = len(state.crossing) // old_slots if old_slots else 0
    slots, longest = max(slots, old_slots), max(longest, old_longest)
    if (slots, longest) == (old_slots, old_longest):
        return state
    crossing = np.zeros((slots, longest), dtype=CROSSING)
    if old_longest:
        crossing[:old_slots, :old_longest] = state.crossing.reshape(old_slots, old_longest)
        for table, link in ((crossing, "next"), (crossing, "previous"), (state.resource, "first")):
            at = table[link]
            table[link] = np.where(at >= 0, at // old_longest * longest + at % old_longest, at)
    more = slots - old_slots
    free = int(state.counters["free"][0])
    state.counters["free"] += more
    return state._replace(
        slot=_longer(state.slot, slots),
        free=np.concatenate(
            [state.free[:free], np.arange(old_slots, slots), np.zeros(old_slots - free, dtype=np.int64)]
        ),
        crossing=crossing.reshape(-1),
        heap=_longer(state.heap, slots),
        begun=np.zeros(slots, dtype=np.int64),
        chosen=np.zeros(slots, dtype=np.int64),
        open=np.zeros(slots, dtype=np.int64),
    )


def _longer(table: NDArray[np.void], length: int) -> NDArray[np.void]:
    """With rows of zeros behind. (Joining tables of records has NumPy promote every field.)"""
    grown = np.zeros(length, dtype=table.dtype)
    grown[: len(table)] = table
    return grown


def ended_events(state: KernelState) -> int:
    """How many events of the program have ended so far."""
    return int(state.counters["ended"][0])
