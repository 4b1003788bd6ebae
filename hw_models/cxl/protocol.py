"""A CXL.mem link: what reads, writes and mixes of them get, from flits and lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from moe_cosim.errors import InputError
from moe_cosim.hw_models.cxl.flits import FLITS, LINE_BYTES, FlitFormat
from moe_cosim.hw_models.cxl.lanes import Lanes
from moe_cosim.hw_models.cxl.packing import flits, slots_of_read, slots_of_write

_PS_PER_S = 1e12


@dataclass(frozen=True)
class WireBytes:
    """What a mix takes of each direction, flits whole, per byte of its data; `m2s` goes to the memory."""

    m2s: float
    s2m: float


@dataclass(frozen=True)
class CxlProtocol:
    """Flits named `flit` (68, 256, 256-latency-optimized) over `lanes`.

    `drs_per_slot`: DRS headers that the device puts into a slot. Assumed 1: an expander on x16 Gen5 reads 48.0 GB/s
    (bytedance/eurosys24-artifacts, commit 1cd95f3), which is a slot of header for every line, 48.2; with two in a
    slot it would be 53.5. `credits`: lines read, and lines written, that may be under way beyond the link; None: as
    many as are asked for. Raises `InputError` for flits that there are none of, or not at this rate.
    """

    flit: str
    lanes: Lanes
    drs_per_slot: int = 1
    credits: int | None = None

    def __post_init__(self) -> None:
        if self.flit not in FLITS:
            raise InputError("CXL link", "flit", self.flit, FLITS)
        if self.flit == "68" and self.lanes.rate == "64 GT/s":
            raise InputError("CXL link", "flit", self.flit, "256 or 256-latency-optimized at 64 GT/s")
        if not 1 <= self.drs_per_slot <= 3:
            raise InputError("CXL link", "drs_per_slot", self.drs_per_slot, "1, 2 or 3")
        if self.credits is not None and self.credits < 1:
            raise InputError("CXL link", "credits", self.credits, "at least 1 line")

    @property
    def format(self) -> FlitFormat:
        """The slots of its flits."""
        return FLITS[self.flit]

    @property
    def read(self) -> WireBytes:
        """Of one more byte read in a mix. What limits a mix is the sum over its reads and writes (`wire_bytes`); a
        direction that does not limit it may be taken for longer."""
        return self._of_line(slots_of_read(self.format, self.drs_per_slot))

    @property
    def write(self) -> WireBytes:
        """Of one more byte written."""
        return self._of_line(slots_of_write(self.format, self.drs_per_slot))

    def _of_line(self, slots: tuple[float, float]) -> WireBytes:
        per_byte = self.format.flit_bytes / self.format.slots / LINE_BYTES
        return WireBytes(slots[0] * per_byte, slots[1] * per_byte)

    def wire_bytes(self, read_share: float) -> WireBytes:
        """Of a mix with `read_share` of its bytes read, the others written.

        Raises `ValueError` for a share outside [0, 1].
        """
        if not 0 <= read_share <= 1:
            raise ValueError(f"read share {read_share} outside [0, 1]")
        found = flits(self.format, read_share, 1 - read_share, self.drs_per_slot)
        per_byte = self.format.flit_bytes / LINE_BYTES
        return WireBytes(found.m2s * per_byte, found.s2m * per_byte)

    def bytes_per_s(self, read_share: float) -> float:
        """Bytes read and written together, at most, where neither direction has to wait for the memory."""
        wire = self.wire_bytes(read_share)
        return self.lanes.bytes_per_s / max(wire.m2s, wire.s2m)

    def efficiency(self, read_share: float) -> float:
        """`bytes_per_s` per byte that the lanes carry in one direction; above 1 where both carry data."""
        return self.bytes_per_s(read_share) / self.lanes.bytes_per_s

    def lines_in_flight(self, read_share: float, round_trip_ps: float) -> int:
        """Buffers of one line, and so credits, that a receiver needs for the full rate.

        A credit is back `round_trip_ps` after its message was sent (CXL 2.0, section 4.2.8).
        """
        return math.ceil(self.bytes_per_s(read_share) * round_trip_ps / _PS_PER_S / LINE_BYTES)

    def with_credits(self, read_share: float, credits: int, round_trip_ps: float) -> float:
        """Bytes/s with `credits` lines of buffer in each message class."""
        slowest = max(read_share, 1 - read_share)
        window = credits * LINE_BYTES * _PS_PER_S / round_trip_ps / slowest
        return min(self.bytes_per_s(read_share), window)
