"""Back ends that are told a DRAM's organisation and timings, and no share that it reaches."""

from __future__ import annotations

from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.sim.engines.sst import ramulator as files
from moe_cosim.sim.engines.sst.graph.catalogue import shipped_catalogue
from moe_cosim.sim.engines.sst.graph.graph import SubComponent, Value

_TRANSACTIONS: Final = 4096
"""Of timingDRAM: one queue stands before all its channels, and a full channel would hold up the others."""


def clock(dram: DramMemory) -> str:
    """Of the commands, for a controller that works in cycles."""
    return f"{_clock_mhz(dram.standard):.9g}MHz"


def commands(memory: Memory, dram: DramMemory) -> dict[str, Value]:
    """Parameters of ``moecosim.CommandBackend``, which has no timings of its own. Raises `InputError` for a policy of
    pages that it does not have.
    """
    standard, controller = dram.standard, dram.controller
    if controller.page_policy != "open":
        found = Plain(f"{controller.page_policy} pages of {memory.name}")
        raise InputError("sst engine, memory commands", "page_policy", found, "open")
    layout = AddressLayout.parse(controller.mapping, standard)
    known = shipped_catalogue().find("moecosim.CommandBackend", "sst engine")
    return {
        "mem_size": f"{memory.capacity_bytes}B",
        "channels": memory.channels,
        "interleave_bytes": memory.interleave_bytes,
        "latency": f"{memory.latency_ps}ps",
        "clock_period": f"{round(standard.clock_ns * 1e6)}fs",
        "ticks_per_clock": standard.ticks_per_clock,
        "mapping": " ".join(f"{level}[{bits}]" for level, bits in layout.fields),
        "mixes_columns": int(layout.xor_columns),
        "pseudo_channels": standard.pseudo_channels,
        "ranks": standard.ranks,
        "bank_groups": standard.bank_groups,
        "banks_per_group": standard.banks_per_group,
        "rows": standard.rows,
        "row_bytes": standard.row_bytes,
        "access_bytes": standard.access_bytes,
        "burst_clocks": standard.burst_clocks,
        "rank_scope": int(standard.rank_scope),
        "command_buses": standard.command_buses,
        "activate_clocks": f"{standard.activate_clocks:g}",
        "column_clocks": f"{standard.column_clocks:g}",
        "other_clocks": f"{standard.other_row_clocks:g}",
        "data_clock": int(standard.data_clock_sync),
        "refresh": controller.refresh,
        "read_queue": controller.read_queue,
        "write_queue": controller.write_queue,
        "drain_from": f"{controller.drain_from:g}",
        "drain_to": f"{controller.drain_to:g}",
        **{name: clocks for name, clocks in standard.timings.items() if known.has_parameter(name)},
    }


def timing(memory: Memory, dram: DramMemory, number: int) -> SubComponent:
    """memHierarchy's timingDRAM: rows, banks and a data bus per channel, and nothing of refresh, tRAS, tFAW or tCCD_L.

    A pseudo-channel, which has a data bus of its own, is a channel. Its mapper deals blocks of the interleaving to
    channels, then banks, then ranks, whatever the machine's mapping.
    """
    standard, controller = dram.standard, dram.controller
    block = min(memory.interleave_bytes, standard.row_bytes)
    clocks = standard.timings
    rank, bank = "channel.rank", "channel.rank.bank"
    parameters: dict[str, Value] = {
        "id": number,
        "mem_size": f"{memory.capacity_bytes}B",
        "request_width": standard.access_bytes,
        "printconfig": 0,
        "addrMapper": "memHierarchy.roundRobinAddrMapper",
        "addrMapper.interleave_size": f"{block}B",
        "addrMapper.row_size": f"{standard.row_bytes}B",
        "channels": memory.channels * standard.pseudo_channels,
        "channel.numRanks": standard.ranks,
        "channel.transaction_Q_size": _TRANSACTIONS,
        f"{rank}.numBanks": standard.bank_groups * standard.banks_per_group,
        f"{bank}.CL": clocks["tCL"],
        f"{bank}.CL_WR": clocks["tCWL"],
        f"{bank}.RCD": clocks["tRCD"],
        f"{bank}.TRP": clocks["tRP"],
        f"{bank}.dataCycles": standard.burst_clocks,
        f"{bank}.transactionQ": "memHierarchy.reorderTransactionQ",
        f"{bank}.pagePolicy": "memHierarchy.simplePagePolicy",
        f"{bank}.pagePolicy.close": int(controller.page_policy == "closed"),
    }
    return _behind_the_rest(memory, standard, SubComponent("backend", "memHierarchy.timingDRAM", parameters))


def ramulator(memory: Memory, dram: DramMemory) -> SubComponent:
    """memHierarchy's back end for Ramulator 2.0, which reads the rest from a file of the run's folder."""
    configuration = files.configuration(memory, dram)
    parameters: dict[str, Value] = {
        "mem_size": f"{memory.capacity_bytes}B",
        "request_width": dram.standard.access_bytes,
        "configFile": configuration.file_name,
    }
    return _behind_the_rest(memory, dram.standard, SubComponent("backend", files.BACK_END, parameters))


def _behind_the_rest(memory: Memory, standard: DramStandard, backend: SubComponent) -> SubComponent:
    """What the memory's latency has beside an activate and a read: controller and wires."""
    opened_ps = round((standard.timings["tRCD"] + standard.timings["tCL"]) * standard.clock_ns * 1000)
    delay: dict[str, Value] = {
        "mem_size": f"{memory.capacity_bytes}B",
        "request_width": standard.access_bytes,
        "request_delay": f"{max(0, memory.latency_ps - opened_ps)}ps",
    }
    return SubComponent("backend", "memHierarchy.DelayBuffer", delay, (backend,))


def _clock_mhz(standard: DramStandard) -> float:
    return standard.megatransfers_per_s / standard.transfers_per_clock
