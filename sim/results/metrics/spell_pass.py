"""The compiled merge of spells in which several lanes work."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.sim.results.metrics.event_pass import Spells

_NEVER_PS: Final = 2**62


class Groups(NamedTuple):
    """Lanes whose spells are put together; `lane` is [lanes of all groups]."""

    first: NDArray[np.int64]  # [G + 1] into `lane`
    lane: NDArray[np.int64]


class Merged(NamedTuple):
    """Disjoint spells [spells] in order, group after group."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    first: NDArray[np.int64]  # [G + 1]


class Settled(NamedTuple):
    """What is known for good of each group."""

    horizon_ps: NDArray[np.int64]  # [G] no event that is still to come begins before
    busy_ps: NDArray[np.int64]  # [G, 2] length of the spells that ended by then: all, and what lies in decode
    spells: NDArray[np.int64]  # [G] how many of this block's they are


@compiled
def merge_spells(
    groups: Groups,
    fresh: Spells,
    carried: Merged,
    at: NDArray[np.int64],
    decode_from_ps: int,
    merged: Merged,
    settled: Settled,
) -> None:
    """Fill `merged` with the unions of the groups' `fresh` and `carried` spells; count those that end by the horizon.

    `at` [L]: scratch for a group's lanes.
    """
    found = 0
    for group in range(len(groups.first) - 1):
        merged.first[group] = begin = found
        first_lane, lanes = groups.first[group], groups.first[group + 1] - groups.first[group]
        for which in range(lanes):
            at[which] = fresh.first[groups.lane[first_lane + which]]
        waiting, carried_end = carried.first[group], carried.first[group + 1]
        while True:
            best, start = -1, _NEVER_PS
            for which in range(lanes):
                lane = groups.lane[first_lane + which]
                if at[which] < fresh.first[lane] + fresh.number[lane] and fresh.start_ps[at[which]] < start:
                    best, start = which, fresh.start_ps[at[which]]
            if waiting < carried_end and carried.start_ps[waiting] < start:
                start, end = carried.start_ps[waiting], carried.end_ps[waiting]
                waiting += 1
            elif best >= 0:
                end = fresh.end_ps[at[best]]
                at[best] += 1
            else:
                break
            if found > begin and start <= merged.end_ps[found - 1]:
                merged.end_ps[found - 1] = max(merged.end_ps[found - 1], end)
            else:
                merged.start_ps[found] = start
                merged.end_ps[found] = end
                found += 1
        settled.spells[group] = 0
        for spell in range(begin, found):
            start, end = merged.start_ps[spell], merged.end_ps[spell]
            if end > settled.horizon_ps[group]:
                break
            settled.busy_ps[group, 0] += end - start
            settled.busy_ps[group, 1] += max(end, decode_from_ps) - max(start, decode_from_ps)
            settled.spells[group] += 1
    merged.first[len(groups.first) - 1] = found
