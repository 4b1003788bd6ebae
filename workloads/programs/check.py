"""The compiled passes behind `Program.validate`: what is wrong with the tables, as bits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.programs.codes import CONTENTS, COPY, KINDS, READ, SIGNAL, WAIT, WRITE

KIND, LANES_UNSORTED, LANE, TAG, FIRST_ACCESS, OP, WHAT, ODD_COPY, COPY_ENDS, COUNT = (1 << bit for bit in range(10))
"""Bits, in the order in which they are reported."""

_KINDS: Final = len(KINDS)
_CONTENTS: Final = len(CONTENTS)


@compiled
def faults_of_tables(events: NDArray[np.void], accesses: NDArray[np.void], lanes: int, tags: int) -> int:
    """All that can be told of each row alone, or of it and the rows of its copy. `events` and `accesses` are [rows] of
    `EVENT` and `ACCESS`.
    """
    faults = 0
    for row in range(len(accesses)):
        if accesses[row].op > WRITE:
            faults |= OP
        if accesses[row].what >= _CONTENTS:
            faults |= WHAT
    lane = 0
    for row in range(len(events)):
        event = events[row]
        if event.kind >= _KINDS:
            faults |= KIND
        if event.lane < lane:
            faults |= LANES_UNSORTED
        lane = event.lane
        if lane >= lanes:
            faults |= LANE
        if event.tag >= tags:
            faults |= TAG
        first = np.int64(event.first_access)
        last = first + np.int64(event.accesses)
        if last > len(accesses):
            faults |= FIRST_ACCESS
        elif event.kind == COPY:
            if event.accesses % 2:
                faults |= ODD_COPY
            for source in range(first, last - 1, 2):
                ends = accesses[source].op == READ and accesses[source + 1].op == WRITE
                if not ends or accesses[source].bytes != accesses[source + 1].bytes:
                    faults |= COPY_ENDS
    return faults


@compiled
def faults_of_waits(events: NDArray[np.void], first_token: int, signals: NDArray[np.int64], follows: bool) -> int:
    """Whether a wait names another number of signals than its token has, or, in a block that `follows` others, a
    smaller one. `signals` [tokens from `first_token`] is zero, and counts them."""
    for row in range(len(events)):
        if events[row].kind == SIGNAL:
            signals[events[row].token - first_token] += 1
    for row in range(len(events)):
        if events[row].kind == WAIT:
            count, found = np.int64(events[row].count), signals[events[row].token - first_token]
            if count < found or (count > found and not follows):
                return COUNT
    return 0
