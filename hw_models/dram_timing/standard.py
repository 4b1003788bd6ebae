"""A DRAM standard: how one channel is organised, and its JEDEC timings in clocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.schema import Count, Flag, check

_Clocks = Annotated[int, Field(strict=True, ge=0, le=2**20)]

_ALWAYS: Final = ("tCL", "tCWL", "tRCD", "tRP", "tRAS", "tRC", "tCCD_S", "tCCD_L", "tRRD_S", "tRRD_L", "tFAW", "tWR")
_REQUIRED: Final = (*_ALWAYS, "tWTR_S", "tWTR_L", "tRTP", "tRFC", "tREFI")
_OPTIONAL: Final = (
    "tRCD_WR",  # tRCD of writes, where it is another
    "tCCD_S_WR",
    "tCCD_L_WR",
    "tCCD_R",  # reads of two stack IDs
    "tRTW",  # derived where it is not given: tCL + burst + bubble - tCWL
    "tRTW_bubble",
    "tCS",  # gap between bursts of two ranks
    "tPPD",
    "tRPab",  # of all banks
    "tRFCpb",
    "tREFIpb",
    "tRREFD",  # refresh of one bank to activates of others
    "tPBR2PBR",  # and to refreshes of others; tRREFD where it is not given
    "tBURST_L",  # burst within a bank group, as tWTR_L counts it
    "tAAD",
    "tWCKPST",
)
TIMINGS: Final = (*_REQUIRED, *_OPTIONAL)
BURSTS: Final = ("tCCD_S", "tCCD_S_WR", "tBURST_L")
"""Follow from the length of a burst, so they are the same clocks at any speed."""
AT_MOST: Final = (
    ("tRCD", "tRAS"),
    ("tRAS", "tRC"),
    ("tCCD_S", "tCCD_L"),
    ("tRRD_S", "tRRD_L"),
    ("tRRD_L", "tFAW"),
    ("tWTR_S", "tWTR_L"),
    ("tRFC", "tREFI"),
)
"""The first of two is no longer than the second."""


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Organisation(_Schema):
    data_bits: Count
    pseudo_channels: Count = 1
    ranks: Count = 1
    bank_groups: Count
    banks_per_group: Count
    rows: Count
    row_bytes: Count
    access_bytes: Count


class _Commands(_Schema):
    buses: Annotated[int, Field(strict=True, ge=1, le=2)] = 1
    activate_clocks: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    column_clocks: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    other_row_clocks: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    half_clock_precharge: Flag = False
    split_activate: Flag = False
    data_clock_sync: Flag = False


class _File(_Schema):
    title: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    validated: str | Literal[False] = False
    names: list[str] = []
    megatransfers_per_s: Annotated[float, Field(gt=0, le=1e6)]
    transfers_per_clock: Count
    scope: Literal["rank", "pseudo-channel"]
    organisation: _Organisation
    commands: _Commands = _Commands()
    timings_clocks: Mapping[str, _Clocks]
    held_clocks: list[str] = []
    speeds_megatransfers_per_s: Annotated[list[float], Field(min_length=2, max_length=2)] = []
    controller: Mapping[str, object] = {}


@dataclass(frozen=True)
class DramStandard:
    """Of one channel. `ranks` are ranks of a DIMM, or stack IDs of an HBM stack."""

    title: str
    source: str
    validated: str
    """What it was held against; empty: nothing, its figures are unvalidated."""
    names: tuple[str, ...]
    """What others call it."""
    megatransfers_per_s: float
    transfers_per_clock: int
    rank_scope: bool
    """Whether refresh, the activate window and turnarounds belong to a rank rather than to a pseudo-channel."""
    data_bits: int
    pseudo_channels: int
    ranks: int
    bank_groups: int
    banks_per_group: int
    rows: int
    row_bytes: int
    """Of one open row, of all chips that answer together."""
    access_bytes: int
    """Of one column command."""
    command_buses: int
    activate_clocks: float
    column_clocks: float
    other_row_clocks: float
    half_clock_precharge: bool
    split_activate: bool
    data_clock_sync: bool
    timings: Mapping[str, int] = field(hash=False)
    """Clocks, by JEDEC name."""
    held_clocks: tuple[str, ...] = ()
    """Timings that the standard counts in clocks: they stay so many at another speed, the others stay a time."""
    speeds_megatransfers_per_s: tuple[float, float] = (0.0, math.inf)
    """Of the parts that are made."""

    @property
    def banks(self) -> int:
        return self.pseudo_channels * self.ranks * self.bank_groups * self.banks_per_group

    @property
    def columns(self) -> int:
        """Accesses of a row."""
        return self.row_bytes // self.access_bytes

    @property
    def capacity_bytes(self) -> int:
        return self.banks * self.rows * self.row_bytes

    @property
    def peak_bytes_per_s(self) -> float:
        return self.megatransfers_per_s * 1e6 * self.data_bits / 8

    @property
    def clock_ns(self) -> float:
        return 1e3 * self.transfers_per_clock / self.megatransfers_per_s

    @property
    def tick_ns(self) -> float:
        return self.clock_ns / self.ticks_per_clock

    @property
    def ticks_per_clock(self) -> int:
        return 2 if self.half_clock_precharge else 1

    @property
    def burst_clocks(self) -> int:
        """Of one access on its pseudo-channel's share of the data bits."""
        transfers = self.access_bytes * 8 * self.pseudo_channels / self.data_bits
        return math.ceil(transfers / self.transfers_per_clock)


def timed() -> tuple[catalog.Entry, ...]:
    """Descriptions of the catalogue that hold timings; the others hold shares of the peak."""
    return tuple(entry for entry in catalog.entries("dram") if "timings_clocks" in catalog.read(entry.path, "dram"))


def read_standard(name: str | Path) -> DramStandard:
    """The description `name` of ``catalog/dram``, or a file. Raises `InputError` for what cannot be."""
    path = catalog.find(name, "dram", "dram", "standard")
    file = check(_File, catalog.read(path, "dram"), path)
    for timing in _REQUIRED:
        if timing not in file.timings_clocks:
            raise InputError(path, "timings_clocks", sorted(file.timings_clocks), f"{timing} too")
    for timing in file.timings_clocks:
        if timing not in TIMINGS:
            raise InputError(path, f"timings_clocks.{timing}", file.timings_clocks[timing], TIMINGS)
    for timing in file.held_clocks:
        if timing not in file.timings_clocks:
            raise InputError(path, "held_clocks", timing, file.timings_clocks)
    listed = file.megatransfers_per_s
    lowest, highest = file.speeds_megatransfers_per_s or (listed, listed)
    if not 0 < lowest <= listed <= highest:
        raise InputError(path, "speeds_megatransfers_per_s", [lowest, highest], f"[lowest, highest] around {listed:g}")
    standard = DramStandard(
        title=file.title,
        source=file.source,
        validated=file.validated or "",
        names=tuple(file.names),
        megatransfers_per_s=file.megatransfers_per_s,
        transfers_per_clock=file.transfers_per_clock,
        rank_scope=file.scope == "rank",
        **file.organisation.model_dump(),
        command_buses=file.commands.buses,
        **file.commands.model_dump(exclude={"buses"}),
        timings=dict(file.timings_clocks),
        held_clocks=tuple(file.held_clocks),
        speeds_megatransfers_per_s=(lowest, highest),
    )
    _check_timings(standard, path)
    _check_organisation(standard, path)
    return standard


def _check_timings(standard: DramStandard, path: Path) -> None:
    t = standard.timings
    for timing in _REQUIRED:
        if t[timing] < 1:
            raise InputError(path, f"timings_clocks.{timing}", t[timing], "at least 1 clock")
    for less, more in AT_MOST:
        if t[less] > t[more]:
            raise InputError(path, f"timings_clocks.{less}", t[less], f"at most {more} ({t[more]})")
    if t["tRP"] >= t["tRC"]:
        raise InputError(path, "timings_clocks.tRP", t["tRP"], f"less than tRC ({t['tRC']})")
    if standard.split_activate and not 0 < t.get("tAAD", 0) < t["tRCD"]:
        raise InputError(path, "timings_clocks.tAAD", t.get("tAAD", 0), f"1 to less than tRCD ({t['tRCD']})")


def _check_organisation(standard: DramStandard, path: Path) -> None:
    for name in ("pseudo_channels", "ranks", "bank_groups", "banks_per_group", "rows", "row_bytes", "access_bytes"):
        value = getattr(standard, name)
        if value & (value - 1):
            raise InputError(path, f"organisation.{name}", value, "a power of two")
    if standard.banks > 1024:
        raise InputError(path, "organisation", f"{standard.banks} banks", "at most 1024 banks")
    if standard.access_bytes > standard.row_bytes:
        raise InputError(
            path, "organisation.access_bytes", standard.access_bytes, f"at most row_bytes ({standard.row_bytes})"
        )
    burst = standard.burst_clocks
    if standard.timings["tCCD_S"] < burst:
        allowed = f"at least the {burst} clocks of a burst of {standard.access_bytes} B"
        raise InputError(path, "timings_clocks.tCCD_S", standard.timings["tCCD_S"], allowed)
