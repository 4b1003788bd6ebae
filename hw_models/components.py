"""The four kinds of parts a machine graph is made of. Rates are bytes/s, times ps, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models.units.kinds import Role, UnitKind, unit_kinds

if TYPE_CHECKING:
    from moe_cosim.hw_models.cxl.protocol import CxlProtocol
    from moe_cosim.hw_models.dram.memory import DramMemory
    from moe_cosim.hw_models.dram.row_conflicts import RowConflicts
    from moe_cosim.hw_models.energy import MemoryEnergy, TransferEnergy, UnitEnergy
    from moe_cosim.hw_models.flash.flash_memory import FlashMemory
    from moe_cosim.hw_models.units.base import UnitModel


LINE_BYTES = 256
"""What a unit asks a memory for at a time, unless a run says otherwise: it matters where a window limits a transfer.

GPUs fetch sectors of 32 B in lines of 128 B, DMA engines bursts of 64 B to 4 KiB (PCIe's usual payload is 256 B).
"""


@dataclass(frozen=True)
class AccessEfficiency:
    """Achievable share of a memory's peak against the length of a contiguous block.

    Between the tabulated block sizes the share is interpolated in log(block size); outside, the
    nearest point holds. `block_bytes` is increasing; the shares are in (0, 1].
    """

    block_bytes: tuple[float, ...]
    read: tuple[float, ...]
    write: tuple[float, ...]

    def share(self, block_bytes: ArrayLike, is_write: ArrayLike) -> NDArray[np.float64]:
        """Shape of the broadcast arguments. A block of 0 bytes means 'as long as can be'."""
        block = np.asarray(block_bytes, dtype=np.float64)
        if block.size > 1 and (block == block.flat[0]).all():  # whole ranges, as nearly all accesses are
            shape = np.broadcast_shapes(block.shape, np.shape(is_write))
            return np.array(np.broadcast_to(self.share(block.flat[0], is_write), shape))
        points = np.log(self.block_bytes)
        x = np.log(np.where(block > 0, block, self.block_bytes[-1]))
        return np.where(is_write, np.interp(x, points, self.write), np.interp(x, points, self.read))


@dataclass(frozen=True)
class Unit:
    """What executes events. Its lanes are in order, and run side by side."""

    name: str
    kind: str
    """Registered in `moe_cosim.hw_models.units.kinds`: ``gpu``, ``cpu``, ``ndp``, ``dma``, or another package's."""
    lanes: tuple[str, ...]
    local_memory: str
    """Name of the memory it sits beside."""
    window_bytes: float
    """Bytes one lane may have outstanding: a flow's rate is at most window / round trip."""
    model: UnitModel | None = None
    """Kernel times; None for a DMA engine, which only copies."""
    inside: bool = False
    """Whether it sits inside its local memory, with no wire, switch or port between."""
    energy: UnitEnergy | None = None
    """None, here and in the other parts: unknown."""
    command_bytes: int = 0
    """What one command of its queue asks a flash memory for; the window is so many commands. 0: it has no queue."""

    @cached_property
    def role(self) -> Role:
        """What the unit is there for, by its kind; `Machine` sorts its units by this."""
        return self._kind.role

    @cached_property
    def lowering_hooks(self) -> tuple[str, ...]:
        """Names of the hooks that its kind adds to every layer (`moe_cosim.workloads.lowering.hooks`)."""
        return self._kind.lowering_hooks

    @property
    def _kind(self) -> type[UnitKind]:
        return unit_kinds.get(self.kind, f"unit {self.name}", "kind")


@dataclass(frozen=True)
class Memory:
    """Addressable storage, `capacity_bytes` from `base_address`, interleaved over its channels."""

    name: str
    kind: str
    """``hbm``, ``gddr``, ``host``, ``cxl`` (memory only), ``ndp`` (memory with cores beside it), ``cache`` or
    ``flash``."""
    capacity_bytes: int
    base_address: int
    channels: int
    interleave_bytes: int
    peak_bytes_per_s: float
    """At its port."""
    efficiency: AccessEfficiency
    latency_ps: int
    """Unloaded, from the memory's port to the first byte and back at the port."""
    standard: str = ""
    internal_peak_bytes_per_s: float | None = None
    """What its arrays give to the units inside and to the port together; None where no unit sits inside."""
    dram: DramMemory | None = None
    """Its organisation, timings and controllers; None of SRAM, and of a memory that is described by shares alone."""
    conflicts: RowConflicts | None = None
    """What reads over a link with credits wait for rows of others; None where rows stay open until others are asked
    for, which the rates of mixes hold."""
    energy: MemoryEnergy | None = None
    flash: FlashMemory | None = None
    """What a memory of pages has beyond this; None of any other."""

    def first_byte_ps(self, writes: bool) -> int:
        """`latency_ps` of a read, or that of a write."""
        return self.flash.write_latency_ps if writes and self.flash is not None else self.latency_ps

    @property
    def array_bytes_per_s(self) -> float:
        """What its arrays give at most, whoever asks."""
        return self.internal_peak_bytes_per_s or self.peak_bytes_per_s


@dataclass(frozen=True)
class Link:
    """A full-duplex link between two nodes; each direction is a resource of its own."""

    name: str
    ends: tuple[str, str]
    peak_bytes_per_s: float
    """One direction, as the standard counts it."""
    efficiency: float
    """Share of the peak left for payload after encoding, headers and flow control; of a CXL link, for reads alone."""
    latency_ps: int
    """One way."""
    protocol: CxlProtocol | None = None
    """Of a link that carries CXL.mem in flits; its peak is what the lanes carry."""
    energy: TransferEnergy | None = None

    @property
    def bytes_per_s(self) -> float:
        """Payload rate of one direction."""
        return self.peak_bytes_per_s * self.efficiency


@dataclass(frozen=True)
class PeerFabric:
    """A second fabric between memories, beside the tree: DIMM-Link between modules, NVLink between GPUs.

    Non-blocking: what limits a transfer is the port of its source (out) and of its target (in).
    """

    name: str
    members: tuple[str, ...]
    """Memories it joins."""
    bytes_per_s: float
    """Payload rate of one member's port, each direction."""
    latency_ps: int
    """One way, from any member to any other."""
    energy: TransferEnergy | None = None


@dataclass(frozen=True)
class DeviceFigures:
    """What a device's description may say of it beside its parts."""

    name: str
    """Of the instance."""
    area_mm2: float | None = None
    """Of silicon."""
    price_usd: float | None = None


@dataclass(frozen=True)
class Switch:
    """Joins links: a CXL switch, or the crossbar inside a device."""

    name: str
    latency_ps: int
    bytes_per_s: float
    """All traffic through it together; infinite where only the ports limit."""
    multi_headed: bool = False
    """Whether its links to other switches are heads of one device: each leads to the device's parts, and nothing
    passes from one to another."""
    energy: TransferEnergy | None = None
    """Of a switch that is a device of its own; that of a crossbar is counted in the units on it."""
