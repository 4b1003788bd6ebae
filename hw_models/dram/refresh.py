"""When a memory's banks are refreshed, what the end of an access then waits for, and what its rows and queues do.

All channels are refreshed at multiples of tREFI (or tREFIpb) from the start of a run, as Ramulator 2.1 and the SST
element of this project do; controllers do not publish their phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import DramMemory
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

    refresh: str
    """Stops a whole channel (``all-bank``), one bank of each scope (``per-bank``), or never comes (``off``)."""
    every_ps: float
    """Infinite where none comes."""
    stall_ps: float
    """From when a refresh is due until the bank's row, which was open, is open again; 0 where none comes."""
    read_ps: float
    """Between two reads of a row."""
    open_ps: float
    """What a read that finds its row open saves: tRCD."""
    close_ps: float
    """What a read that finds another row open pays: tRP."""
    row_life_ps: float
    """In so long a time each row is closed by a refresh once; infinite where none comes."""
    read_latency_ps: float
    """tCL."""
    channels: int
    interleave_bytes: int
    set_bytes: int
    """Of a set, over all channels."""
    sets: int
    sweep_bytes: int
    """From the beginning of a set, over all channels, until all its banks were read from."""
    reads: int
    """Of a row."""
    turn: tuple[int, ...]
    """Which set is hit by a scope's first refresh of one bank, by its second, ...; empty where none comes or all banks
    are refreshed."""
    queue_bytes: int
    """What fits into the controllers' queues, of reads."""
    write_queue_bytes: int
    """The same of writes."""
    standing_writes_bytes: int
    """Of that, what stands there in the mean while reads go first: between the levels at which draining begins and
    ends."""
    bank_share: float
    """Of a set's bytes, in the banks that are refreshed together."""
    wait_ps: float
    """For the refresh of a bank, of a read at any time, in the mean."""
    bank_bytes: int
    """Consecutive bytes of a channel in banks that are refreshed together."""

    @property
    def longest_ps(self) -> float:
        """That reads of a row can wait for a refresh: for itself, and for all of them after it."""
        return self.stall_ps + self.reads * self.read_ps


def refresh_clock(memory: Memory) -> RefreshClock | None:
    """None where nothing is known, where the mapping mixes columns into banks, and of a memory whose share was
    measured: the rates and fixed costs of measured kernels hold what refreshes and rows cost."""
    if memory.dram is None or memory.dram.measured_read is not None:
        return None
    return _clock(memory.dram, memory.channels, memory.interleave_bytes)


@lru_cache(maxsize=256)
def _clock(dram: DramMemory, channels: int, interleave_bytes: int) -> RefreshClock | None:
    standard, controller = dram.standard, dram.controller
    layout = AddressLayout.parse(controller.mapping, standard, controller.where)
    if layout.xor_columns:
        return None
    timings, clock_ps = standard.timings, standard.clock_ns * _PS
    by_bank = controller.refresh == "per-bank"
    every_ps, busy, stall = math.inf, 0, 0
    if controller.refresh != "off":
        every, busy = (timings[name] for name in (("tREFIpb", "tRFCpb") if by_bank else ("tREFI", "tRFC")))
        every_ps = every * clock_ps
        close = timings["tRP"] if by_bank else timings.get("tRPab", timings["tRP"])
        stall = close + busy + timings["tRCD"]
    below, above = _sets(layout)
    set_bits = sum(bits for _, bits in below)
    sets = 1 << sum(bits for level, bits in above if level != "Row")
    turn = _turn(standard, below, above) if by_bank else ()
    access_bytes = standard.access_bytes * channels
    drained = (controller.drain_from + controller.drain_to) / 2
    return RefreshClock(
        refresh=controller.refresh,
        every_ps=every_ps,
        stall_ps=stall * clock_ps,
        read_ps=timings["tCCD_L"] * clock_ps,
        open_ps=timings["tRCD"] * clock_ps,
        close_ps=timings["tRP"] * clock_ps,
        row_life_ps=every_ps * len(turn) if by_bank else every_ps,
        read_latency_ps=timings["tCL"] * clock_ps,
        channels=channels,
        interleave_bytes=interleave_bytes,
        set_bytes=access_bytes << set_bits,
        sets=sets,
        sweep_bytes=access_bytes << _sweep_bits(below),
        reads=standard.columns,
        turn=turn,
        queue_bytes=controller.read_queue * access_bytes,
        write_queue_bytes=controller.write_queue * access_bytes,
        standing_writes_bytes=round(controller.write_queue * access_bytes * drained),
        bank_share=_bank_share(standard, below),
        wait_ps=busy * busy / (2 * timings["tREFI"]) * clock_ps,
        bank_bytes=_bank_bytes(standard, layout, by_bank),
    )


def _sets(layout: AddressLayout) -> tuple[_Fields, _Fields]:
    """Fields within a set, and those that tell sets apart, from the lowest up."""
    top = max(at for at, (level, bits) in enumerate(layout.fields) if level == "Column" and bits > 0)
    return layout.fields[: top + 1], layout.fields[top + 1 :]


def _sweep_bits(below: _Fields) -> int:
    bits = found = 0
    for level, width in below:
        bits += width
        if level != "Column" and width > 0:
            found = bits
    return found


def _bank_share(standard: DramStandard, below: _Fields) -> float:
    scopes = ("PseudoChannel", "Rank") if standard.rank_scope else ("PseudoChannel",)
    banks = sum(bits for level, bits in below if level in ("Rank", "BankGroup", "Bank") and level not in scopes)
    return 1.0 / (1 << banks)


def _bank_bytes(standard: DramStandard, layout: AddressLayout, by_bank: bool) -> int:
    bits = 0
    for level, width in layout.fields:
        if level in ("BankGroup", "Bank") and by_bank:
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
