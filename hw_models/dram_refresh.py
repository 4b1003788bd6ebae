"""When a memory's banks are refreshed, and what the end of an access then waits for.

All channels are refreshed at multiples of tREFI (or tREFIpb) from the start of a run, as Ramulator 2.1 and the SST
element of this project do; controllers do not publish their phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram_memory import DramMemory, stream
from moe_cosim.hw_models.dram_timing.ask import ask
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.standard import DramStandard

_Fields = tuple[tuple[str, int], ...]
_PS: Final = 1000.0


@dataclass(frozen=True)
class RefreshClock:
    """Of a memory whose rate nothing but its DRAM's timings says. Times in ps.

    Consecutive bytes of a channel lie in one row each of some banks, a *set*; then in the banks of the next set. The
    sets come in a circle.
    """

    all_banks: bool
    """Whether a refresh stops a whole channel, or one bank of each scope."""
    every_ps: float
    stall_ps: float
    """From when a refresh is due until the bank's row, which was open, is open again."""
    read_ps: float
    """Between two reads of a row."""
    open_ps: float
    """What a read that finds its row open saves: tRCD."""
    read_latency_ps: float
    """tCL."""
    set_bytes: int
    """Of a set, over all channels."""
    sets: int
    reads: int
    """Of a row."""
    turn: tuple[int, ...]
    """Which set is hit by a scope's first refresh of one bank, by its second, ...; empty where all banks are."""
    queue_bytes: int
    """What fits into the controllers' queues, of reads."""
    bank_share: float
    """Of a set's bytes, in the banks that are refreshed together."""
    hit_share: float
    """Of a sequential stream's reads that find their row open."""
    wait_ps: float
    """For the refresh of a bank, of a read at any time, in the mean."""
    bank_bytes: int
    """Consecutive bytes of a channel in banks that are refreshed together."""


def refresh_clock(memory: Memory) -> RefreshClock | None:
    """None where nothing is refreshed or known, where the mapping mixes columns into banks, and of a memory whose share
    was measured: the rates and fixed costs of measured kernels hold what refreshes cost."""
    if memory.dram is None or memory.dram.measured_read is not None or memory.dram.controller.refresh == "off":
        return None
    return _clock(memory.dram, memory.channels)


@lru_cache(maxsize=256)
def _clock(dram: DramMemory, channels: int) -> RefreshClock | None:
    standard, controller = dram.standard, dram.controller
    layout = AddressLayout.parse(controller.mapping, standard, controller.where)
    if layout.xor_columns:
        return None
    timings, clock_ps = standard.timings, standard.clock_ns * _PS
    all_banks = controller.refresh == "all-bank"
    every, busy = (timings[name] for name in (("tREFI", "tRFC") if all_banks else ("tREFIpb", "tRFCpb")))
    close = timings.get("tRPab", timings["tRP"]) if all_banks else timings["tRP"]
    below, above = _sets(layout)
    set_bits = sum(bits for _, bits in below)
    sets = 1 << sum(bits for level, bits in above if level != "Row")
    answer = ask(standard, controller, stream(1.0))
    accesses = answer.row_hits + answer.row_misses + answer.row_conflicts
    return RefreshClock(
        all_banks=all_banks,
        every_ps=every * clock_ps,
        stall_ps=(close + busy + timings["tRCD"]) * clock_ps,
        read_ps=timings["tCCD_L"] * clock_ps,
        open_ps=timings["tRCD"] * clock_ps,
        read_latency_ps=timings["tCL"] * clock_ps,
        set_bytes=(1 << set_bits) * standard.access_bytes * channels,
        sets=sets,
        reads=standard.columns,
        turn=() if all_banks else _turn(standard, below, above),
        queue_bytes=controller.read_queue * standard.access_bytes * channels,
        bank_share=_bank_share(standard, below),
        hit_share=answer.row_hits / accesses,
        wait_ps=busy * busy / (2 * timings["tREFI"]) * clock_ps,
        bank_bytes=_bank_bytes(standard, layout, all_banks),
    )


def _sets(layout: AddressLayout) -> tuple[_Fields, _Fields]:
    """Fields within a set, and those that tell sets apart, from the lowest up."""
    top = max(at for at, (level, bits) in enumerate(layout.fields) if level == "Column" and bits > 0)
    return layout.fields[: top + 1], layout.fields[top + 1 :]


def _bank_share(standard: DramStandard, below: _Fields) -> float:
    scopes = ("PseudoChannel", "Rank") if standard.rank_scope else ("PseudoChannel",)
    banks = sum(bits for level, bits in below if level in ("Rank", "BankGroup", "Bank") and level not in scopes)
    return 1.0 / (1 << banks)


def _bank_bytes(standard: DramStandard, layout: AddressLayout, all_banks: bool) -> int:
    bits = 0
    for level, width in layout.fields:
        if level in ("BankGroup", "Bank") and not all_banks:
            break
        bits += width
    return standard.access_bytes << bits


def _turn(standard: DramStandard, below: _Fields, above: _Fields) -> tuple[int, ...]:
    """Banks of a scope are refreshed in the order of their numbers, those of all scopes at once."""
    counts = {"Rank": standard.ranks, "BankGroup": standard.bank_groups, "Bank": standard.banks_per_group}
    if standard.rank_scope:
        del counts["Rank"]
    found = []
    for bank in range(math.prod(counts.values())):
        rest, value = bank, dict.fromkeys((*counts, "PseudoChannel", "Rank"), 0)
        for level in reversed(counts):
            rest, value[level] = divmod(rest, counts[level])
        for level, bits in below:
            if level in value:
                value[level] >>= bits
        place = shift = 0
        for level, bits in above:
            if level != "Row":
                place |= (value[level] & ((1 << bits) - 1)) << shift
                value[level] >>= bits
                shift += bits
        found.append(place)
    return tuple(found)
