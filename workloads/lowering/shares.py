"""Who computes what of a run: one unit all of it, or each member of a team its slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moe_cosim.workloads.lowering.sheet import Ints
from moe_cosim.workloads.plan import Plan


@dataclass(frozen=True)
class Shares:
    """One row per (run, unit that takes part), in the order of runs; all columns [rows]."""

    run: Ints
    unit: Ints
    """Index into `Plan.units`."""
    slice: Ints
    """Which slice of the expert, of..."""
    slices: Ints
    """...so many; 1: the whole expert."""

    def of(self, rows: Ints) -> Shares:
        """The same of some `rows`, which may be indices or a mask."""
        return Shares(self.run[rows], self.unit[rows], self.slice[rows], self.slices[rows])


def shares_of(plan: Plan) -> Shares:
    """A run on one unit is one row, a run on a team one for each member."""
    unit = plan.runs["unit"].astype(np.int64)
    if not plan.teams:
        return Shares(np.arange(len(unit)), unit, np.zeros_like(unit), np.ones_like(unit))
    members = [[index] for index in range(len(plan.units))]
    members += [[plan.units.index(name) for name in team] for team in plan.teams]
    count = np.array([len(who) for who in members], dtype=np.int64)[unit]
    run = np.repeat(np.arange(len(unit)), count)
    piece = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    table = np.zeros((len(members), max(map(len, members))), dtype=np.int64)
    for index, who in enumerate(members):
        table[index, : len(who)] = who
    return Shares(run, table[unit[run], piece], piece, count[run])
