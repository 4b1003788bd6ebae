"""The event stream: the only thing an engine reads besides the machine.

A program is three tables of fixed-size little-endian records, the same bytes for every engine:
`EVENT` (what a lane does, in lane order), `ACCESS` (the address ranges an event reads and writes)
and `TAG` (what an event was for: engines ignore it, reports use it).

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

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain

COMPUTE: Final = 0
STREAM: Final = 1
COPY: Final = 2
SIGNAL: Final = 3
WAIT: Final = 4
KINDS: Final = ("compute", "stream", "copy", "signal", "wait")

READ: Final = 0
WRITE: Final = 1

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
        ("count", "<u4"),  # signals a wait waits for
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

CONTENTS: Final = ("weights", "activations", "kv")

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
)

_FORMAT: Final = "moe-cosim program 1"


@dataclass(frozen=True)
class Program:
    """Event streams of all lanes. `events` are grouped by lane, in lane order, in program order."""

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

    def validate(self, where: object = "program") -> None:
        """Raise `InputError` for a program no engine could run as meant."""
        events, accesses = self.events, self.accesses
        _require(
            bool((events["kind"] < len(KINDS)).all()), where, "events.kind", "an unknown kind", f"0..{len(KINDS) - 1}"
        )
        _require(
            bool((np.diff(events["lane"].astype(np.int64)) >= 0).all()), where, "events.lane", "unsorted", "by lane"
        )
        _require(
            bool((events["lane"] < len(self.lanes)).all()),
            where,
            "events.lane",
            "an unknown lane",
            f"< {len(self.lanes)}",
        )
        _require(
            bool((events["tag"] < max(len(self.tags), 1)).all()), where, "events.tag", "past the table", "a row of tags"
        )
        last = events["first_access"].astype(np.int64) + events["accesses"]
        _require(
            bool((last <= len(accesses)).all()), where, "events.first_access", "past the table", "rows of accesses"
        )
        _require(bool((accesses["op"] <= WRITE).all()), where, "accesses.op", "an unknown one", f"{READ} or {WRITE}")
        _require(
            bool((accesses["what"] < len(CONTENTS)).all()),
            where,
            "accesses.what",
            "unknown contents",
            f"0..{len(CONTENTS) - 1}",
        )
        copies = events["kind"] == COPY
        _require(
            bool((events["accesses"][copies] % 2 == 0).all()), where, "copy", "an odd access", "source, target pairs"
        )
        first = events["first_access"][copies].astype(np.int64)
        pairs = events["accesses"][copies].astype(np.int64) // 2
        source = np.repeat(first, pairs) + 2 * _ranges(pairs)
        _require(
            bool(
                (accesses["op"][source] == READ).all()
                and (accesses["op"][source + 1] == WRITE).all()
                and (accesses["bytes"][source] == accesses["bytes"][source + 1]).all()
            ),
            where,
            "copy",
            "unequal ends",
            "a read and a write of equal length",
        )
        waits = events[events["kind"] == WAIT]
        signals = np.sort(events["token"][events["kind"] == SIGNAL])
        signalled = np.searchsorted(signals, waits["token"], "right") - np.searchsorted(signals, waits["token"], "left")
        _require(
            bool((signalled == waits["count"]).all()),
            where,
            "wait.count",
            "another number than the token has signals",
            "the number of signals of the token",
        )

    def save(self, path: Path) -> None:
        """One zip of three .npy tables and a JSON header (`numpy.load` opens the tables)."""
        header = {"format": _FORMAT, "lanes": self.lanes, "machine": self.machine, "meta": self.meta}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("header.json", json.dumps(header))
            for name in ("events", "accesses", "tags"):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Program:
        """Inverse of `save`; raises `InputError` for anything else."""
        allowed = f"a file written as '{_FORMAT}'"
        try:
            with zipfile.ZipFile(path) as archive:
                header = json.loads(archive.read("header.json"))
                if header["format"] != _FORMAT:
                    raise InputError(path, "format", header["format"], allowed)
                tables = {
                    name: np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
                    for name in ("events", "accesses", "tags")
                }
                lanes = tuple((unit, lane) for unit, lane in header["lanes"])
                machine, meta = str(header["machine"]), dict(header["meta"])
        except InputError:
            raise
        except Exception as error:  # zip, zlib, JSON and NumPy each have their own for bytes they cannot read
            raise InputError(path, "file", Plain(f"{type(error).__name__}: {error}"), allowed) from None
        for name, dtype in (("events", EVENT), ("accesses", ACCESS), ("tags", TAG)):
            if tables[name].dtype != dtype or tables[name].ndim != 1:
                found = Plain(f"{tables[name].ndim} axes of {tables[name].dtype}")
                raise InputError(path, name, found, f"1 axis of {dtype}")
        program = cls(lanes, tables["events"], tables["accesses"], tables["tags"], machine, meta)
        program.validate(path)
        return program


def _ranges(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0..n-1 for each n in `lengths`, concatenated."""
    total = int(lengths.sum())
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.arange(total) - starts


def _require(holds: bool, where: object, what: str, found: str, allowed: str) -> None:
    if not holds:
        raise InputError(where, what, Plain(found), allowed)
