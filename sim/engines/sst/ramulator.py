"""What Ramulator 2.0 is told of a memory, for memHierarchy's back end of that name.

Its DDR4 and DDR5 are taken. Its HBM3 has no stack IDs, no refresh, and one command a clock for both pseudo-channels of
a channel, which hold a stream well below its peak; the catalogue's other standards it has not at their organisation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.hw_models.machine import Machine

WHERE: Final = "sst engine, memory ramulator2"
BACK_END: Final = "memHierarchy.ramulator2"

_PREFETCH: Final = {"DDR4": 8, "DDR5": 16}
"""Standard to transfers of an access (``m_internal_prefetch_size`` in ``src/dram/impl`` of Ramulator 2.0)."""
_CHIP_BITS: Final = 8
"""Chips are not told apart: what depends on their width is given with the timings."""
_MAPPERS: Final = ("MOP4CLXOR", "RoBaRaCoCh")
_QUEUE: Final = 33
"""``ReqBuffer`` of ``src/base/request.h``: it takes one more than its ``max_size`` of 32."""
_NEVER_CLOCKS: Final = 1 << 30
"""Ramulator 2.0 has no manager without refresh: it comes after this many clocks, a third of a second and more."""


@dataclass(frozen=True)
class RamulatorConfig:
    """One configuration file: the values of ``templates/sst/ramulator.yaml.j2``."""

    memory: str
    title: str
    standard: str
    organisation: Mapping[str, int]
    rate: int
    """Megatransfers per second."""
    timings: Mapping[str, int]
    """Clocks, by Ramulator's names."""
    mapping: str
    """The memory's own; Ramulator takes `mapper` in its place."""
    mapper: str
    drain_from: float
    drain_to: float

    @property
    def file_name(self) -> str:
        """In the folder of a run."""
        return f"{self.memory}.ramulator.yaml"


def configuration(memory: Memory, dram: DramMemory) -> RamulatorConfig:
    """Raises `InputError` for what Ramulator 2.0 has not."""
    standard, controller = dram.standard, dram.controller
    family = _family(memory, standard)
    if controller.refresh == "per-bank":
        raise InputError(WHERE, "refresh", Plain(f"per-bank refresh of {memory.name}"), "all-bank or off")
    if controller.page_policy != "open":
        raise InputError(WHERE, "page_policy", Plain(f"{controller.page_policy} pages of {memory.name}"), "open")
    if memory.channels & (memory.channels - 1):
        found = Plain(f"{memory.channels} channels of {memory.name}")
        raise InputError(WHERE, "channels", found, "a power of two, as Ramulator's mappers deal them")
    return RamulatorConfig(
        memory.name,
        standard.title,
        family,
        _organisation(standard, memory.channels),
        round(standard.megatransfers_per_s),
        {**(_ddr4(standard) if family == "DDR4" else _ddr5(standard)), "nREFI": _refresh_clocks(dram)},
        controller.mapping,
        mapper(controller.mapping, standard),
        controller.drain_from,
        controller.drain_to,
    )


def assumed(machine: Machine) -> list[Assumption]:
    """What of the memories' controllers Ramulator has its own of."""
    told = [memory.dram for memory in machine.memories.values() if memory.dram is not None and memory.kind != "cache"]
    pairs = sorted({(each.controller.mapping, mapper(each.controller.mapping, each.standard)) for each in told})
    source = "Ramulator 2.0's own, nearest to the memory's {}: other banks and channels are met by short accesses"
    rows = [Assumption("ramulator-mapping", theirs, _MAPPERS, source.format(own), "choice") for own, theirs in pairs]
    queue = "reads, and as many writes, that wait at a channel: fixed in Ramulator 2.0"
    return [*rows, Assumption("ramulator-queue", _QUEUE, (_QUEUE, _QUEUE), queue)]


def mapper(mapping: str, standard: DramStandard) -> str:
    """The nearest of Ramulator's mappers.

    ``RoBaRaCoCh`` for one that walks a row before it goes to another bank; for the others ``MOP4CLXOR``, which goes
    to the next channel, then rank and bank group, after four accesses.
    """
    level, bits = next(field for field in AddressLayout.parse(mapping, standard).fields if field[1])
    return "RoBaRaCoCh" if level == "Column" and 1 << bits == standard.columns else "MOP4CLXOR"


def _family(memory: Memory, standard: DramStandard) -> str:
    named = re.match(r"[A-Za-z]+\d\w*", standard.title)
    family = named.group() if named else ""
    transfers = standard.access_bytes * 8 // standard.data_bits
    if _PREFETCH.get(family) != transfers or standard.pseudo_channels > 1:
        found = Plain(f"{standard.title} of {memory.name} ({transfers} transfers an access)")
        allowed = ", ".join(f"{name} ({transfers})" for name, transfers in _PREFETCH.items())
        raise InputError(WHERE, "standard", found, allowed)
    return family


def _organisation(standard: DramStandard, channels: int) -> dict[str, int]:
    """Columns are of one chip's transfers; the density is what Ramulator checks them all against."""
    columns = standard.row_bytes * 8 // standard.data_bits
    banks = standard.bank_groups * standard.banks_per_group
    return {
        "channel_width": standard.data_bits,
        "dq": _CHIP_BITS,
        "density": (banks * standard.rows * columns * _CHIP_BITS) >> 20,
        "channel": channels,
        "rank": standard.ranks,
        "bankgroup": standard.bank_groups,
        "bank": standard.banks_per_group,
        "row": standard.rows,
        "column": columns,
    }


def _both(standard: DramStandard) -> dict[str, int]:
    t = standard.timings
    names = {
        "nCL": "tCL",
        "nRCD": "tRCD",
        "nRP": "tRP",
        "nRAS": "tRAS",
        "nRC": "tRC",
        "nWR": "tWR",
        "nRTP": "tRTP",
        "nCWL": "tCWL",
        "nCCDS": "tCCD_S",
        "nCCDL": "tCCD_L",
        "nRRDS": "tRRD_S",
        "nRRDL": "tRRD_L",
        "nFAW": "tFAW",
    }
    return {
        "nBL": standard.burst_clocks,
        **{theirs: t[ours] for theirs, ours in names.items()},
        "nCS": t.get("tCS", 0),
    }


def _ddr4(standard: DramStandard) -> dict[str, int]:
    t = standard.timings
    return {**_both(standard), "nWTRS": t["tWTR_S"], "nWTRL": t["tWTR_L"], "nRFC": t["tRFC"]}


def _ddr5(standard: DramStandard) -> dict[str, int]:
    """DDR5's write to read is counted from command to command; what only other kinds of refresh use is `tRFC` too."""
    t = standard.timings
    written = t["tCWL"] + standard.burst_clocks
    unused = ("nRFC2", "nRFCsb", "nREFSBRD", "nRFM1", "nRFM2", "nRFMsb", "nDRFMab", "nDRFMsb")
    return {
        **_both(standard),
        "nPPD": t.get("tPPD", 0),
        "nCCDS_WR": t.get("tCCD_S_WR", t["tCCD_S"]),
        "nCCDS_WTR": written + t["tWTR_S"],
        "nCCDL_WR": t.get("tCCD_L_WR", t["tCCD_L"]),
        "nCCDL_WTR": written + t["tWTR_L"],
        "nRFC1": t["tRFC"],
        **dict.fromkeys(unused, t["tRFC"]),
    }


def _refresh_clocks(dram: DramMemory) -> int:
    return _NEVER_CLOCKS if dram.controller.refresh == "off" else dram.standard.timings["tREFI"]
