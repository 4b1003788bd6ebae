"""How long units work: the union of what their lanes do, block by block."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine

if TYPE_CHECKING:  # compiled: Numba takes a while to import
    from moe_cosim.sim.results.metrics.event_pass import Spells
    from moe_cosim.sim.results.metrics.spell_pass import Groups, Merged

_NEVER_PS: Final = 2**62


class BusyTime:
    """Of every unit, and of all units beside one memory together (a GPU and its DMA engine).

    Lanes run apart from each other, so a block's spells are final only up to the time that all lanes of a group
    have reached; later ones are carried to the next block. A lane that has done nothing yet is not waited
    for: the group's past is kept, and counted anew should that lane begin in it.
    """

    def __init__(self, machine: Machine) -> None:
        from moe_cosim.sim.results.metrics.spell_pass import Settled

        self._groups, self._members, self._of_unit, self._beside = _groups(machine)
        groups = self._members
        self._at = np.zeros(len(machine.lanes), dtype=np.int64)
        self._settled = Settled(
            horizon_ps=np.full(len(groups), _NEVER_PS, dtype=np.int64),
            busy_ps=np.zeros((len(groups), 2), dtype=np.int64),
            spells=np.zeros(len(groups), dtype=np.int64),
        )
        self._carried = _merged(len(groups), 0)
        self._past: list[list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = [[] for _ in groups]

    def add(self, fresh: Spells, decode_from_ps: int, lane_end_ps: NDArray[np.int64] | None) -> None:
        """`lane_end_ps` [lanes] of each lane's last event (-1: none yet), or None when nothing follows."""
        from moe_cosim.sim.results.metrics.spell_pass import merge_spells

        if any(self._past):
            self._reopen(fresh)
        spells = int(np.dot(np.bincount(self._groups.lane, minlength=len(fresh.number)), fresh.number))
        merged = _merged(len(self._members), spells + len(self._carried.start_ps))
        if lane_end_ps is None:
            self._settled.horizon_ps[:] = _NEVER_PS
        else:
            reached = np.where(lane_end_ps < 0, _NEVER_PS, lane_end_ps)
            self._settled.horizon_ps[:] = np.minimum.reduceat(reached[self._groups.lane], self._groups.first[:-1])
        merge_spells(self._groups, fresh, self._carried, self._at, decode_from_ps, merged, self._settled)
        if lane_end_ps is not None:
            self._carry(merged, lane_end_ps)

    def of_unit_ps(self, unit: str) -> tuple[int, int]:
        """In all, and after `decode_from_ps`."""
        return self._pair(self._of_unit[unit])

    def beside_ps(self, unit: str) -> tuple[int, int]:
        """The same of all units that share its memory."""
        return self._pair(self._beside[unit])

    def _pair(self, group: int) -> tuple[int, int]:
        return int(self._settled.busy_ps[group, 0]), int(self._settled.busy_ps[group, 1])

    def _carry(self, merged: Merged, lane_end_ps: NDArray[np.int64]) -> None:
        """What is not settled, for the next block; what is, only where a lane may still begin in it."""
        kept = []
        for group, (first, end) in enumerate(zip(merged.first[:-1].tolist(), merged.first[1:].tolist(), strict=True)):
            open_from = first + int(self._settled.spells[group])
            kept.append(slice(open_from, end))
            if (lane_end_ps[self._members[group]] < 0).any():
                done = slice(first, open_from)  # copied: a view would hold the whole block
                self._past[group].append((merged.start_ps[done].copy(), merged.end_ps[done].copy()))
            else:
                self._past[group].clear()
        self._carried = _joined([[(merged.start_ps[part], merged.end_ps[part])] for part in kept])

    def _reopen(self, fresh: Spells) -> None:
        """Take back what was settled in a group in whose past a lane begins now."""
        pieces = []
        for group, members in enumerate(self._members):
            first, end = self._carried.first[group], self._carried.first[group + 1]
            mine = [(self._carried.start_ps[first:end], self._carried.end_ps[first:end])]
            begins = [fresh.start_ps[fresh.first[lane]] for lane in members if fresh.number[lane]]
            if self._past[group] and begins and min(begins) < self._settled.horizon_ps[group]:
                mine = self._past[group] + mine
                self._past[group] = []
                self._settled.busy_ps[group] = 0
            pieces.append(mine)
        self._carried = _joined(pieces)


def _merged(groups: int, spells: int) -> Merged:
    from moe_cosim.sim.results.metrics.spell_pass import Merged

    return Merged(np.empty(spells, np.int64), np.empty(spells, np.int64), np.zeros(groups + 1, np.int64))


def _joined(groups: list[list[tuple[NDArray[np.int64], NDArray[np.int64]]]]) -> Merged:
    from moe_cosim.sim.results.metrics.spell_pass import Merged

    pieces = [piece for group in groups for piece in group]
    count = [sum(len(start) for start, _ in group) for group in groups]
    return Merged(
        np.concatenate([start for start, _ in pieces]),
        np.concatenate([end for _, end in pieces]),
        np.cumsum([0, *count]),
    )


@lru_cache(maxsize=2)
def _groups(machine: Machine) -> tuple[Groups, list[list[int]], dict[str, int], dict[str, int]]:
    """Groups of lanes, also as lists; and by unit its own group, and that of all units beside its memory."""
    from moe_cosim.sim.results.metrics.spell_pass import Groups

    owner = [machine.units[name] for name, _ in machine.lanes]
    of_unit = {
        name: tuple(lane for lane, unit in enumerate(owner) if unit is mine) for name, mine in machine.units.items()
    }
    beside = {
        name: tuple(lane for lane, unit in enumerate(owner) if unit.local_memory == mine.local_memory)
        for name, mine in machine.units.items()
    }
    groups = list(dict.fromkeys([*of_unit.values(), *beside.values()]))
    return (
        Groups(np.cumsum([0, *map(len, groups)]), np.concatenate([np.array(lanes, np.int64) for lanes in groups])),
        [list(lanes) for lanes in groups],
        {name: groups.index(lanes) for name, lanes in of_unit.items()},
        {name: groups.index(lanes) for name, lanes in beside.items()},
    )
