"""HOBBIT's decisions over a block of steps, compiled: two caches of experts, full and low precision, for all layers.

An expert is known by its key, layer * experts + expert; a cache by its precision, 0 full, 1 low.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

FULL: Final = 0
LOW: Final = 1
SKIP: Final = 2
"""What an expert deserves on a miss."""
RAN: Final = 0
MOVED: Final = 1
SKIPPED: Final = 2
"""Places in `Written.counts`."""
CLOCK: Final = 2
"""Place in `Caches.used`, after the slots that each cache has filled."""


class Caches(NamedTuple):
    """What lies where, and how it was used; arrays over slots are [2, slots of the larger cache]."""

    capacity: I64
    """[2]"""
    used: I64
    """[3]: slots filled of each cache, and a clock."""
    address: I64
    """[2, slots]"""
    key: I64
    """[2, slots]"""
    move: I64
    """[2, slots] that filled it."""
    last_run: I64
    """[2, slots] that read it; -1: none did."""
    last_touch: I64
    """[2, slots] on the clock."""
    slot: I64
    """[2, keys]; -1: not in the cache."""
    last_step: F64
    """[keys] -1: never used. This and the next two are counts, held as the priority divides them."""
    uses: F64
    """[keys]"""
    full_uses: F64
    """[keys]"""
    pinned: I64
    """[keys] the clock of the layer for which it may not leave."""
    weights: F64
    """[4] of recency, frequency, full-precision use and layer distance."""

    @classmethod
    def empty(cls, slots: Sequence[Sequence[int]], keys: int, weights: Sequence[float]) -> Caches:
        """`slots`: addresses of those at full and at low precision."""
        most = max(map(len, slots))
        address = np.array([[*places, *[-1] * (most - len(places))] for places in slots])
        return cls(
            capacity=np.array([len(places) for places in slots]),
            used=np.zeros(3, np.int64),
            address=address,
            key=np.full_like(address, -1),
            move=np.full_like(address, -1),
            last_run=np.full_like(address, -1),
            last_touch=np.zeros_like(address),
            slot=np.full((2, keys), -1),
            last_step=np.full(keys, -1.0),
            uses=np.zeros(keys),
            full_uses=np.zeros(keys),
            pinned=np.zeros(keys, np.int64),
            weights=np.array(weights, np.float64),
        )


class Asked(NamedTuple):
    """Rows of demand [rows], and what they deserve."""

    step: NDArray[np.int32]
    layer: NDArray[np.int32]
    expert: NDArray[np.int32]
    starts: I64
    """[cells + 1]"""
    levels: NDArray[np.int8]
    """[steps, layers, experts] of the whole run: FULL, LOW or SKIP; LOW where nobody chose the expert."""
    guessed: NDArray[np.int32]
    """[guesses] experts, by distance, step and layer."""
    guess_starts: I64
    """[distances, steps * layers + 1]"""


class Written(NamedTuple):
    """Decisions, in order: `counts` [3] of runs, moves and skips."""

    counts: I64
    run_row: I64
    """Row of `Asked`; so in `skip_row`."""
    run_cache: I64
    run_address: I64
    run_move: I64
    skip_row: I64
    move_row: I64
    """A row of `Asked` in the layer that issues it."""
    move_key: I64
    move_cache: I64
    move_target: I64
    move_after: I64
    move_ahead: NDArray[np.bool_]
    """Whether it is a prefetch."""

    @classmethod
    def room_for(cls, rows: int, moves: int) -> Written:
        """Nothing yet."""
        run_row, run_cache, run_address, run_move, skip_row = (np.empty(rows, np.int64) for _ in range(5))
        row, key, cache, target, after = (np.empty(moves, np.int64) for _ in range(5))
        runs = (run_row, run_cache, run_address, run_move)
        return cls(np.zeros(3, np.int64), *runs, skip_row, row, key, cache, target, after, np.empty(moves, np.bool_))


@compiled
def decide(caches: Caches, asked: Asked, written: Written, first_run: int, first_move: int) -> None:
    """What is at hand runs first, then what is missing; then guesses at later layers are fetched, the nearest first."""
    layers, experts = asked.levels.shape[1], asked.levels.shape[2]
    for cell in range(len(asked.starts) - 1):
        start, end = asked.starts[cell], asked.starts[cell + 1]
        step, layer = int(asked.step[start]), int(asked.layer[start])
        caches.used[CLOCK] += 1
        now = caches.used[CLOCK]
        # looked up for all before any is fetched: `pinned` remembers who was there
        for row in range(start, end):
            key = layer * experts + asked.expert[row]
            cache = _cache_of(caches, key, asked.levels[step, layer, asked.expert[row]])
            if cache >= 0:
                caches.pinned[key] = now
                _run(caches, written, row, key, cache, step, first_run)
        for row in range(start, end):
            key = layer * experts + asked.expert[row]
            if caches.pinned[key] == now:
                continue
            level = asked.levels[step, layer, asked.expert[row]]
            if level == SKIP:
                written.skip_row[written.counts[SKIPPED]] = row
                written.counts[SKIPPED] += 1
                continue
            wanted = FULL if level == FULL else LOW
            # what was at hand has run by now, so any slot may be taken
            _fetch(caches, written, row, key, wanted, step, layer, layers, -now, first_move)
            _run(caches, written, row, key, wanted, step, first_run)
        if step == 0:
            continue
        for row in range(start, end):
            caches.pinned[layer * experts + asked.expert[row]] = now
        for distance in range(len(asked.guess_starts)):
            later = layer + distance + 1
            if later >= layers:
                break
            at = step * layers + later
            begin, stop = asked.guess_starts[distance, at], asked.guess_starts[distance, at + 1]
            for guess in range(begin, stop):
                caches.pinned[later * experts + asked.guessed[guess]] = now
            for guess in range(begin, stop):
                expert = asked.guessed[guess]
                key, level = later * experts + expert, asked.levels[step, later, expert]
                if level != SKIP and _cache_of(caches, key, level) < 0:
                    wanted = FULL if level == FULL else LOW
                    _fetch(caches, written, start, key, wanted, step, layer, layers, now, first_move)


@compiled_part
def _cache_of(caches: Caches, key: int, level: np.int8) -> int:
    """The best copy at hand; a low-precision one does not stand in where full is deserved. -1: none."""
    if caches.slot[FULL, key] >= 0:
        return FULL
    if caches.slot[LOW, key] >= 0 and level != FULL:
        return LOW
    return -1


@compiled_part
def _run(caches: Caches, written: Written, row: int, key: int, cache: int, step: int, first_run: int) -> None:
    at, slot = written.counts[RAN], caches.slot[cache, key]
    written.run_row[at], written.run_cache[at] = row, cache
    written.run_address[at], written.run_move[at] = caches.address[cache, slot], caches.move[cache, slot]
    written.counts[RAN] += 1
    caches.used[CLOCK] += 1
    caches.last_touch[cache, slot] = caches.used[CLOCK]
    caches.last_run[cache, slot] = first_run + at
    caches.last_step[key] = step
    caches.uses[key] += 1
    if cache == FULL:
        caches.full_uses[key] += 1


@compiled_part
def _fetch(
    caches: Caches,
    written: Written,
    row: int,
    key: int,
    cache: int,
    step: int,
    layer: int,
    layers: int,
    pin: int,
    first_move: int,
) -> None:
    """Into a free slot, else into that of the least priority; nothing where all slots hold what is pinned at `pin`
    (a negative clock: nothing is)."""
    slot = caches.used[cache]
    if slot < caches.capacity[cache]:
        caches.used[cache] += 1
    else:
        slot = _victim(caches, cache, step, layer, layers, pin)
        if slot < 0:
            return
        caches.slot[cache, caches.key[cache, slot]] = -1
    at = written.counts[MOVED]
    written.move_row[at], written.move_key[at], written.move_cache[at] = row, key, cache
    written.move_target[at], written.move_after[at] = caches.address[cache, slot], caches.last_run[cache, slot]
    written.move_ahead[at] = pin > 0
    written.counts[MOVED] += 1
    caches.used[CLOCK] += 1
    caches.last_touch[cache, slot] = caches.used[CLOCK]
    caches.key[cache, slot], caches.move[cache, slot] = key, first_move + at
    caches.slot[cache, key] = slot


@compiled_part
def _victim(caches: Caches, cache: int, step: int, layer: int, layers: int, pin: int) -> int:
    """Lowest priority; each term lies in [0, 1]; ties: oldest use. -1: none may leave."""
    experts = caches.slot.shape[1] // layers
    weights, now = caches.weights, step + 1.0
    found, least = -1, 0.0
    for slot in range(caches.capacity[cache]):
        key = caches.key[cache, slot]
        if caches.pinned[key] == pin:
            continue
        nearness = 1 - ((key // experts - layer) % layers) / layers
        priority = weights[0] * ((caches.last_step[key] + 1) / (now + 1))
        priority += weights[1] * (caches.uses[key] / now)
        priority += weights[2] * (caches.full_uses[key] / now)
        priority += weights[3] * nearness
        touched = caches.last_touch[cache, slot]
        if found < 0 or priority < least or (priority == least and touched < caches.last_touch[cache, found]):
            found, least = slot, priority
    return found
