"""How long one command holds up another, from a standard's timings (JESD79-4, 79-5, 209-5, 235, 238).

Timings count from the end of one command to the end of the next, and a command longer than a clock is known by
its first tick: so a gap grows by the excess of the first command and shrinks by that of the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.dram_timing.commands import (
    ACT,
    BANK,
    CHANNEL,
    COMMANDS,
    GROUP,
    LEVELS,
    PRE,
    PREA,
    PSEUDO_CHANNEL,
    RANK,
    RD,
    REF,
    REFB,
    WR,
)
from moe_cosim.hw_models.dram_timing.standard import DramStandard

_TURN_BUBBLE_CLOCKS = 2
"""Between read and write data on the bus, where no tRTW is given (DDR4, HBM2, LPDDR5: one clock of postamble, one of
preamble, as Ramulator 2.1 has it)."""


@dataclass(frozen=True)
class Limits:
    """Ticks."""

    same: NDArray[np.int64]
    """[LEVELS, COMMANDS, COMMANDS]; 0: none."""
    sibling: NDArray[np.int64]
    """[COMMANDS, COMMANDS] between ranks."""
    scope: int
    four_activates: int
    read_latency: int
    """From a read command to its last byte."""
    refresh: int
    refresh_bank: int
    split_within: int
    sync_read: int
    sync_write: int


def limits_of(standard: DramStandard) -> Limits:
    """Sets of pairs, level by level."""
    ticks = standard.ticks_per_clock
    t = {name: value * ticks for name, value in standard.timings.items()}
    burst = standard.burst_clocks * ticks
    lengths = [round(standard.other_row_clocks * ticks)] * COMMANDS
    lengths[ACT] = round(standard.activate_clocks * ticks)
    lengths[RD] = lengths[WR] = round(standard.column_clocks * ticks)
    same = np.zeros((LEVELS, COMMANDS, COMMANDS), np.int64)
    sibling = np.zeros((COMMANDS, COMMANDS), np.int64)

    def hold(level: int, before: tuple[int, ...], after: tuple[int, ...], gap: int) -> None:
        table = same[level]
        for one in before:
            for two in after:
                table[one, two] = max(table[one, two], gap + lengths[one] - lengths[two])

    columns, rows = (RD, WR), (ACT, PRE, PREA, REF, REFB)
    for bus in (columns, rows) if standard.command_buses == 2 else (columns + rows,):
        for one in bus:
            if lengths[one] > 1:  # one tick each is what the controller gives anyway
                for two in bus:
                    same[CHANNEL, one, two] = lengths[one]

    write_data = t["tCWL"] + burst
    read_to_write = t.get("tRTW", t["tCL"] + burst + t.get("tRTW_bubble", _TURN_BUBBLE_CLOCKS) * ticks - t["tCWL"])
    hold(PSEUDO_CHANNEL, (RD,), (RD,), burst)
    hold(PSEUDO_CHANNEL, (WR,), (WR,), burst)
    scope = RANK if standard.rank_scope else PSEUDO_CHANNEL
    hold(RANK, (RD,), (RD,), t["tCCD_S"])
    hold(RANK, (WR,), (WR,), t.get("tCCD_S_WR", t["tCCD_S"]))
    hold(scope, (RD,), (WR,), read_to_write)
    hold(scope, (WR,), (RD,), write_data + t["tWTR_S"])
    hold(scope, (RD,), (PREA,), t["tRTP"])
    hold(scope, (WR,), (PREA,), write_data + t["tWR"])
    hold(scope, (ACT,), (ACT,), t["tRRD_S"])
    hold(scope, (ACT,), (PREA,), t["tRAS"])
    hold(scope, (PREA,), (ACT,), t.get("tRPab", t["tRP"]))
    if "tPPD" in t:
        hold(scope, (PRE, PREA), (PRE, PREA), t["tPPD"])
    hold(scope, (ACT,), (REF,), t["tRC"])
    hold(scope, (PRE, PREA), (REF,), t["tRP"])
    hold(scope, (REF,), (ACT, PREA, REF), t["tRFC"])
    hold(GROUP, (RD,), (RD,), t["tCCD_L"])
    hold(GROUP, (WR,), (WR,), t.get("tCCD_L_WR", t["tCCD_L"]))
    hold(GROUP, (WR,), (RD,), t["tCWL"] + t.get("tBURST_L", burst) + t["tWTR_L"])
    hold(GROUP, (ACT,), (ACT,), t["tRRD_L"])
    hold(BANK, (ACT,), (ACT,), t["tRC"])
    hold(BANK, (ACT,), (RD,), t["tRCD"])
    hold(BANK, (ACT,), (WR,), t.get("tRCD_WR", t["tRCD"]))
    hold(BANK, (ACT,), (PRE,), t["tRAS"])
    hold(BANK, (PRE,), (ACT,), t["tRP"])
    hold(BANK, (RD,), (PRE,), t["tRTP"])
    hold(BANK, (WR,), (PRE,), write_data + t["tWR"])
    if "tRFCpb" in t:
        others = t.get("tRREFD", t["tRRD_S"])
        hold(scope, (REFB,), (ACT,), others)
        hold(scope, (REFB,), (REFB,), t.get("tPBR2PBR", others))
        hold(scope, (ACT,), (REFB,), t["tRRD_S"])
        hold(scope, (REFB,), (REF,), t["tRFCpb"])
        hold(BANK, (REFB,), (ACT,), t["tRFCpb"])
        hold(BANK, (ACT,), (REFB,), t["tRC"])
        hold(BANK, (PRE,), (REFB,), t["tRP"])
    if standard.ranks > 1:
        if standard.rank_scope:
            gap = t.get("tCS", 0)
            sibling[RD, RD] = sibling[RD, WR] = burst + gap
            sibling[WR, RD] = max(0, write_data + gap - t["tCL"])
            sibling[WR, WR] = burst + gap
        else:
            sibling[RD, RD] = t.get("tCCD_R", t["tCCD_S"])
    return Limits(
        same=same,
        sibling=sibling,
        scope=scope,
        four_activates=t["tFAW"],
        read_latency=t["tCL"] + burst,
        refresh=t["tREFI"],
        refresh_bank=t.get("tREFIpb", 0),
        split_within=t["tAAD"] if standard.split_activate else 0,
        sync_read=t["tCL"] + burst + t.get("tWCKPST", 0) if standard.data_clock_sync else 0,
        sync_write=write_data + t.get("tWCKPST", 0) if standard.data_clock_sync else 0,
    )
