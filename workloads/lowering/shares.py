"""Who computes what of a run: one unit all of it, or each member of a team its slice; in one go, or in parts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

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
    part: Ints
    """The micro-batch..."""
    tokens: Ints
    """...and its tokens."""

    def of(self, rows: Ints) -> Shares:
        """The same of some `rows`, which may be indices or a mask."""
        return Shares(*(getattr(self, column.name)[rows] for column in fields(self)))


def shares_of(plan: Plan, parts: int = 1) -> Shares:
    """A run on one unit is one row, a run on a team one for each member; of each so many `parts`, to which its tokens
    are dealt as evenly as they can be (those without tokens are left out)."""
    every = _shares(plan)
    if parts == 1:
        return every
    # which parts of few tokens have one turns with the run
    ends = (every.tokens[:, None] * np.arange(parts + 1) + every.run[:, None] % parts) // parts
    tokens = np.diff(ends, axis=1)
    row, part = np.nonzero(tokens)
    found = every.of(row)
    return replace(found, part=part, tokens=tokens[row, part])


def _shares(plan: Plan) -> Shares:
    tokens = plan.runs["tokens"]
    unit = plan.runs["unit"].astype(np.int64)
    if not plan.teams:
        none = np.zeros_like(unit)
        return Shares(np.arange(len(unit)), unit, none, np.ones_like(unit), none, tokens)
    members = [[index] for index in range(len(plan.units))]
    members += [[plan.units.index(name) for name in team] for team in plan.teams]
    count = np.array([len(who) for who in members], dtype=np.int64)[unit]
    run = np.repeat(np.arange(len(unit)), count)
    piece = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    table = np.zeros((len(members), max(map(len, members))), dtype=np.int64)
    for index, who in enumerate(members):
        table[index, : len(who)] = who
    return Shares(run, table[unit[run], piece], piece, count[run], np.zeros_like(run), tokens[run])
