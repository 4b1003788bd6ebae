"""The answer: what a channel achieves on a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moe_cosim.errors import InputError, RunError
from moe_cosim.hw_models.dram_timing.channel import new_state, rules_of
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.limits import limits_of
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern, accesses_of
from moe_cosim.hw_models.dram_timing.standard import DramStandard


@dataclass(frozen=True)
class Achieved:
    """Of all accesses of a pattern, with filling and draining of the queues."""

    bytes_per_s: float
    read_latency_ns: float
    """Mean, of accesses, from entering a queue to the last byte; 0 where none reads."""
    row_hits: int
    """Accesses whose row was open when they were first looked after."""
    row_misses: int
    """Whose bank was closed."""
    row_conflicts: int
    """Whose bank had another row open."""
    elapsed_ns: float


def simulate(
    standard: DramStandard, controller: Controller, bank: object, row: object, write: object, spacing: int = 0
) -> Achieved:
    """Serve the accesses [n] in order; `spacing` ticks apart, or as fast as they are taken.

    Raises `InputError` for a refresh that the standard has no timing for, `RunError` where no command can be given.
    """
    from moe_cosim.hw_models.dram_timing.serve import serve  # Numba loads when it is needed

    if controller.refresh == "per-bank" and not {"tRFCpb", "tREFIpb"} <= standard.timings.keys():
        raise InputError(controller.where, "refresh", "per-bank", f"all-bank or off ({standard.title} has no tRFCpb)")
    limits = limits_of(standard)
    banks, rows, writes = (np.ascontiguousarray(each, dtype=np.int64) for each in (bank, row, write))
    state = new_state(limits, standard, controller, len(banks))
    nothing = np.zeros(len(banks), np.int64)
    serve(rules_of(limits, standard, controller, spacing), state, banks, rows, writes, nothing, nothing.copy())
    counters = state.counters[0]
    if counters.done < len(banks):
        raise RunError(f"{standard.title}: the channel stands still after {counters.done:,} of {len(banks):,} accesses")
    elapsed_ns = float(counters.last) * standard.tick_ns
    return Achieved(
        bytes_per_s=len(banks) * standard.access_bytes / elapsed_ns * 1e9,
        read_latency_ns=float(counters.read_ticks) / max(1, int(counters.reads)) * standard.tick_ns,
        row_hits=int(counters.hits),
        row_misses=int(counters.misses),
        row_conflicts=int(counters.conflicts),
        elapsed_ns=elapsed_ns,
    )


def simulate_pattern(standard: DramStandard, controller: Controller, pattern: AccessPattern) -> Achieved:
    """As `simulate`, of a pattern. Raises `InputError` for a mapping that does not fit the standard."""
    layout = AddressLayout.parse(controller.mapping, standard, controller.where)
    accesses, write = accesses_of(pattern, standard)
    bank, row = layout.place(accesses, standard)
    return simulate(standard, controller, bank, row, write)
