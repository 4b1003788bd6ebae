"""The cases of one memory on DRAM of two standards, and those of catalogue machines on their own DRAM."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.cases import basic_cases, dimm_cases, fabric_cases
from moe_cosim.sim.crosscheck.independent.told import told_nothing, with_dram

_HBM: Final = "hbm3"
_DDR: Final = "ddr5-4800-x4"
_MAPPING: Final = "RoRaBaCoBgPc"
_OTHER: Final = ("read-achieved-share", "compute-hides-traffic")
"""About a table of shares, and about computes."""
_ON_DDR: Final = (
    "read-one-stream",
    "write-one-stream",
    "many-short-reads",
    "two-lanes-one-memory",
    "read-beside-write",
    "three-operands",
    "copy-inside-one-memory",
    "long-beside-short",
)
_ON_TIMING: Final = ("read-one-stream", "two-lanes-one-memory")


def _dram(name: str, refresh: str) -> Callable[[Memory], Memory]:
    """Controllers as the catalogue's are, but for the refresh."""

    @cache
    def change(memory: Memory) -> Memory:
        return with_dram(memory, read_standard(name), Controller(_MAPPING, 128, 128, refresh=refresh))

    return change


def memory_cases() -> list[Case]:
    """On HBM3 and DDR5, with every kind of refresh, each named after its memory."""
    basic = {case.name: case for case in basic_cases.TABLE.cases if case.name not in _OTHER}
    return [
        *(told_nothing(case, _dram(_HBM, "per-bank"), "hbm3-") for case in basic.values()),
        *(told_nothing(basic[name], _dram(_DDR, "all-bank"), "ddr5-") for name in _ON_DDR),
        *(told_nothing(basic[name], _dram(_DDR, "off"), "ddr5-no-refresh-", "timing") for name in _ON_TIMING),
        *(told_nothing(case) for case in fabric_cases.TABLE.cases),
        *(told_nothing(case) for case in dimm_cases.TABLE.cases),
    ]
