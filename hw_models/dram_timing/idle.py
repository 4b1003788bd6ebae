"""Latency of a read that finds the channel idle."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.achieved import simulate
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import DramStandard

ROWS: Final = ("hit", "closed", "conflict")
_READS = 16
"""An even number: in standards of half clocks every second one arrives on the half."""


def idle_latency_ns(standard: DramStandard, row: str) -> float:
    """Of a read whose row is open (``hit``), whose bank is closed, or has another row open (``conflict``).

    From entering the queue to the last byte, without refresh. Raises `InputError` for another `row`.
    """
    if row not in ROWS:
        raise InputError("idle", "row", row, ROWS)
    controller = replace(Controller(), refresh="off", page_policy="open")
    spacing = 2 * 4 * standard.timings["tRC"] + 1  # odd; long enough for a conflict
    nothing = np.zeros(_READS + 1, np.int64)
    if row == "closed":
        reads = min(_READS, standard.banks)
        bank = np.arange(reads) * (standard.banks // reads)
        return simulate(standard, controller, bank, nothing[:reads], nothing[:reads], spacing).read_latency_ns
    rows = np.arange(_READS + 1) % 2 if row == "conflict" else nothing
    every = simulate(standard, controller, nothing, rows, nothing, spacing).read_latency_ns * (_READS + 1)
    opening = simulate(standard, controller, nothing[:1], rows[:1], nothing[:1], spacing).read_latency_ns
    return (every - opening) / _READS
