"""The one compiled look at every event of a block."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, SIGNAL

_HEAD: Final = PURPOSES.index("head")
_EXPERT: Final = PURPOSES.index("expert")
_CONTENTS: Final = len(CONTENTS)


class EventPlaces(NamedTuple):
    """Where events run and addresses lie."""

    unit: NDArray[np.int64]  # [L] of each lane
    near_data: NDArray[np.bool_]  # [L] whether that unit is near the data
    base: NDArray[np.int64]  # [M + 1] where memories begin, ascending; at last, what no address reaches


class Sums(NamedTuple):
    """Added up through the run. Memories are in the order of their addresses."""

    stream_bytes: NDArray[np.int64]  # [U * M * 2 * contents] by units, from and to memories
    copy_bytes: NDArray[np.int64]  # [M * M * contents] from memory to memory
    working: NDArray[np.int64]  # [U] events that compute or move data
    figures: NDArray[np.int64]  # [4]: see the indices below
    lane_end_ps: NDArray[np.int64]  # [L] of the last event; -1: none yet


FIRST_HEAD_PS, LAST_HEAD_PS, KERNELS, KERNELS_PS = range(4)
"""First and last end of an event that computes the head; expert kernels near the data in decode: how many, how
long in all."""


class Spells(NamedTuple):
    """When lanes work: disjoint spells in order, lane after lane, [spells]. Events that follow at once are one
    spell.
    """

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    first: NDArray[np.int64]  # [L]
    number: NDArray[np.int64]  # [L]


@compiled
def count_events(
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    tags: NDArray[np.void],
    start_ps: NDArray[np.int64],
    end_ps: NDArray[np.int64],
    places: EventPlaces,
    sums: Sums,
    spells: Spells,
) -> None:
    """Add a block to `sums` and fill `spells`, which has room for one spell per event. `events` and times are [E],
    `accesses` and `tags` [rows] of records.
    """
    spell, target, memories = -1, 0, len(places.base) - 1
    for lane in range(len(spells.number)):
        spells.number[lane] = 0
    for row in range(len(events)):
        event = events[row]
        kind, lane = event.kind, event.lane
        start, end = start_ps[row], end_ps[row]
        sums.lane_end_ps[lane] = end
        if len(tags):
            tag = tags[event.tag]
            if tag.purpose == _HEAD:
                sums.figures[FIRST_HEAD_PS] = min(sums.figures[FIRST_HEAD_PS], end)
                sums.figures[LAST_HEAD_PS] = max(sums.figures[LAST_HEAD_PS], end)
            elif tag.purpose == _EXPERT and tag.step > 0 and places.near_data[lane]:
                sums.figures[KERNELS] += 1
                sums.figures[KERNELS_PS] += end - start
        if kind >= SIGNAL:
            continue
        unit = places.unit[lane]
        sums.working[unit] += 1
        if end > start:
            if not spells.number[lane]:
                spells.first[lane] = spell + 1
            if spells.number[lane] and start <= spells.end_ps[spell]:
                spells.end_ps[spell] = end
            else:
                spell += 1
                spells.start_ps[spell] = start
                spells.end_ps[spell] = end
                spells.number[lane] += 1
        source = 0
        first = np.int64(event.first_access)
        for index in range(first, first + event.accesses):
            access = accesses[index]
            address, size = np.int64(access.address), np.int64(access.bytes)
            while address < places.base[target]:  # most lie where the last one did
                target -= 1
            while address >= places.base[target + 1]:
                target += 1
            if kind != COPY:
                place = (unit * memories + target) * 2 + access.op
                sums.stream_bytes[place * _CONTENTS + access.what] += size
            elif (index - first) % 2:
                sums.copy_bytes[(source * memories + target) * _CONTENTS + access.what] += size
            source = target
