"""A memory of the machine as a memHierarchy controller with the back end that times it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.sim.engines.sst.graph import dram_backends
from moe_cosim.sim.engines.sst.graph.graph import Component, SubComponent, Value

MemoryTiming = Literal["shares", "commands", "timing", "ramulator2"]
"""What times a memory: achieved shares of its peak, or its DRAM (our own element, memHierarchy's, or Ramulator)."""

CONTROLLER_CLOCK: Final = "1MHz"
"""Our back ends keep their own time: the controller's clock only costs wall time."""


def memory_controller(memory: Memory, section: str, number: int, timing: MemoryTiming) -> Component:
    """Named as the memory is; its port is ``highlink``. `number`: of the memory in its machine.

    Raises `InputError` for a memory whose DRAM is to be timed and not described, unless it is none.
    """
    clock, backend = _backend(memory, number, timing)
    parameters: dict[str, Value] = {
        "clock": clock,
        "backing": "none",
        "addr_range_start": memory.base_address,
        "addr_range_end": memory.base_address + memory.capacity_bytes - 1,
    }
    note = (
        f"{memory.standard or memory.kind}, {memory.capacity_bytes / 1e9:.0f} GB, peak "
        f"{memory.peak_bytes_per_s / 1e9:.1f} GB/s over {memory.channels} channels"
    )
    return Component(memory.name, "memHierarchy.MemController", parameters, (backend,), section=section, note=note)


def _backend(memory: Memory, number: int, timing: MemoryTiming) -> tuple[str, SubComponent]:
    """(the controller's clock, its back end)."""
    if timing == "shares" or memory.kind in ("cache", "flash"):
        return CONTROLLER_CLOCK, SubComponent("backend", "moecosim.ChannelBackend", _shares(memory))
    if memory.dram is None:
        found = Plain(f"no DRAM timings of {memory.name} ({memory.standard or memory.kind})")
        raise InputError(
            f"sst engine, memory {timing}", "memory", found, "a memory that names a DRAM standard and speed"
        )
    if timing == "commands":
        parameters = dram_backends.commands(memory, memory.dram)
        return CONTROLLER_CLOCK, SubComponent("backend", "moecosim.CommandBackend", parameters)
    if timing == "ramulator2":
        return dram_backends.clock(memory.dram), dram_backends.ramulator(memory, memory.dram)
    return dram_backends.clock(memory.dram), dram_backends.timing(memory, memory.dram, number)


def _shares(memory: Memory) -> Mapping[str, Value]:
    """Channels that reach the shares of their peak that the machine's description gives."""
    efficiency = memory.efficiency
    pages: dict[str, Value] = {}
    if memory.flash is not None:
        pages = {"page_bytes": memory.flash.page_bytes, "write_latency": f"{memory.flash.write_latency_ps}ps"}
    return {
        "mem_size": f"{memory.capacity_bytes}B",
        "bandwidth": f"{round(memory.peak_bytes_per_s)}B/s",
        "channels": memory.channels,
        "interleave_bytes": memory.interleave_bytes,
        "latency": f"{memory.latency_ps}ps",
        "efficiency_block_bytes": _array(efficiency.block_bytes),
        "efficiency_read": _array(efficiency.read),
        "efficiency_write": _array(efficiency.write),
        **pages,
    }


def _array(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{np.float64(value):.12g}" for value in values) + "]"
