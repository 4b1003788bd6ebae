"""A memory of the machine as a memHierarchy controller with the back end that times it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from moe_cosim.hw_models.components import Memory
from moe_cosim.sim.engines.sst.graph.graph import Component, SubComponent, Value

CONTROLLER_CLOCK: Final = "1MHz"
"""Our back ends keep their own time: the controller's clock only costs wall time."""


def memory_controller(memory: Memory, section: str) -> Component:
    """Named as the memory is; its port is ``highlink``."""
    parameters: dict[str, Value] = {
        "clock": CONTROLLER_CLOCK,
        "backing": "none",
        "addr_range_start": memory.base_address,
        "addr_range_end": memory.base_address + memory.capacity_bytes - 1,
    }
    note = (
        f"{memory.standard or memory.kind}, {memory.capacity_bytes / 1e9:.0f} GB, peak "
        f"{memory.peak_bytes_per_s / 1e9:.1f} GB/s over {memory.channels} channels"
    )
    backend = SubComponent("backend", "moecosim.ChannelBackend", _shares(memory))
    return Component(memory.name, "memHierarchy.MemController", parameters, (backend,), section=section, note=note)


def _shares(memory: Memory) -> Mapping[str, Value]:
    """Channels that reach the shares of their peak that the machine's description gives."""
    efficiency = memory.efficiency
    return {
        "mem_size": f"{memory.capacity_bytes}B",
        "bandwidth": f"{round(memory.peak_bytes_per_s)}B/s",
        "channels": memory.channels,
        "interleave_bytes": memory.interleave_bytes,
        "latency": f"{memory.latency_ps}ps",
        "efficiency_block_bytes": _array(efficiency.block_bytes),
        "efficiency_read": _array(efficiency.read),
        "efficiency_write": _array(efficiency.write),
    }


def _array(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{np.float64(value):.12g}" for value in values) + "]"
