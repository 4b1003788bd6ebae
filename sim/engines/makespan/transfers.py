"""Which kernel waits for which copy of weights: told by the signals of a program."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.programs.program import PURPOSES, SIGNAL, WAIT, Program, dense_tokens

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_EXPERT: Final = PURPOSES.index("expert")
_MOVE: Final = PURPOSES.index("move weights")
_GATE: Final = PURPOSES.index("gate")


def needed_by(program: Program, row: Ints, cell: Ints, purpose: Ints, main: Flags) -> Ints:
    """[W] of each copy of weights the expert's kernel that waits for it, in the same cell; -1 of others.

    `row` [W] are the events that work, with their `cell`, `purpose` and whether they are of the `main` unit. A copy
    whose start the main unit triggers before its gate is left out.
    """
    found = np.full(len(row), -1, np.int64)
    events, first_token, tokens = dense_tokens(program.events)
    worked = np.cumsum(events["kind"] < SIGNAL)
    signals, waits = (np.flatnonzero(events["kind"] == kind) for kind in (SIGNAL, WAIT))
    if not len(signals) or not len(waits):
        return found
    said = np.full(tokens, -1, np.int64)
    said[events["token"][signals].astype(np.int64) - first_token] = signals
    heard = said[events["token"][waits].astype(np.int64) - first_token]
    waits, heard = waits[heard >= 0], heard[heard >= 0]
    copy, kernel = (
        _same_lane(events, row, at, np.asarray(next_to, np.int64))
        for at, next_to in ((heard, worked[heard] - 1), (waits, worked[waits]))
    )
    arrives = (copy >= 0) & (kernel >= 0)
    arrives[arrives] &= (purpose[copy[arrives]] == _MOVE) & (purpose[kernel[arrives]] == _EXPERT)
    arrives[arrives] &= cell[copy[arrives]] == cell[kernel[arrives]]
    found[copy[arrives][::-1]] = kernel[arrives][::-1]  # of several kernels the first
    found[_before_the_gate(events, row, cell, purpose, main, waits, heard)] = -1
    return found


def _same_lane(events: NDArray[np.void], row: Ints, at: Ints, working: Ints) -> Ints:
    """`working` events next to the events `at`; -1 where those are of another lane."""
    inside = (working >= 0) & (working < len(row))
    inside[inside] &= events["lane"][row[working[inside]]] == events["lane"][at[inside]]
    return np.where(inside, working, -1)


def _before_the_gate(
    events: NDArray[np.void], row: Ints, cell: Ints, purpose: Ints, main: Flags, waits: Ints, heard: Ints
) -> Ints:
    """Copies of weights whose last wait for a signal of the main unit is for one before the cell's gate.

    `waits` and `heard`: rows of the program that wait, and the signals that they wait for.
    """
    gates = np.flatnonzero(main & (purpose == _GATE))
    gate = np.full(int(cell.max(initial=-1)) + 1, -1, np.int64)
    gate[cell[gates]] = row[gates]
    of_main = np.isin(events["lane"][heard], np.unique(events["lane"][row[main]]))
    waits, heard = waits[of_main], heard[of_main]
    last = np.full(len(events), -1, np.int64)
    last[waits] = np.arange(len(waits))
    last = np.maximum.accumulate(last)  # which of them is the last up to each event
    copies = np.flatnonzero((purpose == _MOVE) & (last[row] >= 0))
    wait = last[row[copies]]
    early = (events["lane"][waits[wait]] == events["lane"][row[copies]]) & (heard[wait] < gate[cell[copies]])
    return np.asarray(copies[early])
