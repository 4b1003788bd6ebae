"""The event stream: the only thing an engine reads besides the machine.

A program is three tables of fixed-size little-endian records, the same bytes for every engine:
`EVENT` (what a lane does, in lane order), `ACCESS` (the address ranges an event reads and writes)
and `TAG` (what an event was for: reports use it; of the engines `makespan` alone, which sums by layer).

Semantics. A lane runs its events in order; an event starts when the one before it has ended.
- ``compute``: ends at start + setup + busy.
- ``stream``: after `setup_ps` its accesses start together, each a flow between the lane's unit and
  the memory at its address; ends when every flow is over and start + setup + busy is past. An access
  of no bytes is no flow.
- ``copy``: as a stream whose accesses come in pairs, source (read) then target (write) of equal
  length; each pair is one flow at the rate of the way between the memories. Its latency is that of
  a line through the unit, in and out (`Machine.copy_latency_ps`).
- ``signal``: ends at once. It reaches every other unit after the path's latency.
- ``wait``: ends when all signals of its token have arrived. Every wait on a token names the number
  of its signals in `count`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.programs.codes import COMPUTE as COMPUTE
from moe_cosim.workloads.programs.codes import CONTENTS as CONTENTS
from moe_cosim.workloads.programs.codes import COPY as COPY
from moe_cosim.workloads.programs.codes import KINDS as KINDS
from moe_cosim.workloads.programs.codes import READ as READ
from moe_cosim.workloads.programs.codes import SIGNAL as SIGNAL
from moe_cosim.workloads.programs.codes import STREAM as STREAM
from moe_cosim.workloads.programs.codes import WAIT as WAIT
from moe_cosim.workloads.programs.codes import WRITE as WRITE

EVENT: Final = np.dtype(
    [
        ("kind", "u1"),  # index into KINDS
        ("pad", "u1"),
        ("lane", "<u2"),  # index into Program.lanes
        ("tag", "<u4"),  # index into the tag table
        ("setup_ps", "<u8"),  # before traffic starts (launch cost)
        ("busy_ps", "<u8"),  # minimum time after the setup
        ("first_access", "<u4"),  # its accesses are [first_access, first_access + accesses)
        ("accesses", "<u4"),
        ("token", "<u4"),  # of a signal or wait
        ("count", "<u4"),  # signals a wait waits for; of a stream 1: it continues the kernel of the event before
    ]
)
"""40 bytes."""

ACCESS: Final = np.dtype(
    [
        ("address", "<u8"),
        ("bytes", "<u8"),
        ("block_bytes", "<u4"),  # contiguous run length; 0: the whole range
        ("op", "u1"),  # READ or WRITE
        ("what", "u1"),  # index into CONTENTS
        ("pad", "<u2"),
    ]
)
"""24 bytes."""

TAG: Final = np.dtype(
    [
        ("step", "<i4"),  # 0 is prefill, decode steps count from 1
        ("layer", "<i2"),  # -1: outside the layers
        ("expert", "<i2"),  # -1: none
        ("phase", "u1"),  # index into PHASES
        ("purpose", "u1"),  # index into PURPOSES
        ("weight_bits", "<u2"),  # 0: none
        ("tokens", "<u4"),
    ]
)
"""16 bytes."""

PHASES: Final = ("prefill", "decode")
PURPOSES: Final = (
    "attention",
    "gate",
    "dispatch",
    "expert",
    "combine",
    "shared expert",
    "dense ffn",
    "embedding",
    "head",
    "move weights",
    "synchronise",
    "host",
    "hook",
    "draft",
    "load dense weights",
    "move kv",
)

_FEW_TOKENS: Final = 1024
"""An array of so many is nothing."""


@dataclass(frozen=True)
class Program:
    """Event streams of all lanes. `events` are grouped by lane, in lane order, in program order.

    Tables are [rows] of records: `events` of `EVENT`, `accesses` of `ACCESS`, `tags` of `TAG`.
    """

    lanes: tuple[tuple[str, str], ...]
    """(unit, lane) names; the same tuple as the machine's that runs it."""
    events: NDArray[np.void]
    accesses: NDArray[np.void]
    tags: NDArray[np.void]
    machine: str = ""
    meta: dict[str, object] = field(default_factory=dict)

    @property
    def lane_starts(self) -> NDArray[np.int64]:
        """[lanes + 1] offsets of each lane's events."""
        return np.searchsorted(self.events["lane"], np.arange(len(self.lanes) + 1))

    @property
    def tokens(self) -> int:
        """One more than the largest token id in use."""
        synchronising = self.events["kind"] >= SIGNAL
        return int(self.events["token"][synchronising].max()) + 1 if synchronising.any() else 0

    def validate(self, where: object = "program", follows: bool = False) -> None:
        """Raise `InputError` for a program no engine could run as meant.

        `follows`: it is a block that follows others, so that waits may name signals of those.
        """
        from moe_cosim.workloads.programs import check  # compiled: Numba is slow to import

        events, accesses = (np.require(table, None, ["C", "W"]) for table in (self.events, self.accesses))
        faults = check.faults_of_tables(events, accesses, len(self.lanes), max(len(self.tags), 1))
        if not faults:
            events, first_token, tokens = dense_tokens(events)
            signals = np.zeros(tokens, dtype=np.int64)
            faults = check.faults_of_waits(events, first_token, signals, follows)
        if faults:
            what, found, allowed = self._in_words(faults & -faults)
            raise InputError(where, what, Plain(found), allowed)

    def _in_words(self, fault: int) -> tuple[str, str, str]:
        """(field, what was found, what is allowed), of one bit of `check.py`."""
        return (
            ("events.kind", "an unknown kind", f"0..{len(KINDS) - 1}"),
            ("events.lane", "unsorted", "by lane"),
            ("events.lane", "an unknown lane", f"< {len(self.lanes)}"),
            ("events.tag", "past the table", "a row of tags"),
            ("events.first_access", "past the table", "rows of accesses"),
            ("accesses.op", "an unknown one", f"{READ} or {WRITE}"),
            ("accesses.what", "unknown contents", f"0..{len(CONTENTS) - 1}"),
            ("copy", "an odd access", "source, target pairs"),
            ("copy", "unequal ends", "a read and a write of equal length"),
            ("wait.count", "another number than the token has signals", "the number of signals of the token"),
        )[fault.bit_length() - 1]


def with_small_tokens(program: Program) -> Program:
    """`program`, its tokens numbered anew from 0 where the largest is far beyond the number of events: for engines that
    keep an array by token."""
    if program.tokens <= 4 * len(program.events) + _FEW_TOKENS:
        return program
    synchronising = np.flatnonzero(program.events["kind"] >= SIGNAL)
    events = program.events.copy()
    events["token"][synchronising] = np.unique(events["token"][synchronising], return_inverse=True)[1]
    return replace(program, events=events)


def dense_tokens(events: NDArray[np.void]) -> tuple[NDArray[np.void], int, int]:
    """`events` with the smallest token in use and the number of tokens from there to the largest.

    Where that number is far beyond the number of events, tokens are numbered anew in a copy of them. `events` is [rows]
    of `EVENT`.
    """
    synchronising = np.flatnonzero(events["kind"] >= SIGNAL)
    if not len(synchronising):
        return events, 0, 0
    token = events["token"][synchronising].astype(np.int64)
    first, last = int(token.min()), int(token.max())
    if last - first < 4 * len(events) + _FEW_TOKENS:
        return events, first, last - first + 1
    used, place = np.unique(token, return_inverse=True)
    renamed = events.copy()
    renamed["token"][synchronising] = place
    return renamed, 0, len(used)
