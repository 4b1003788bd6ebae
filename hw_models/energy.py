"""What parts of a machine take: joules per bit, operation and row, and watts that are there all the time.

A part whose description has no `energy` is unknown: results say so and count nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.hw_models.description import Fields

_GB: Final = 1e9


@dataclass(frozen=True)
class MemoryEnergy:
    """Of a whole memory: joules, and watts of all its capacity."""

    activate_j: float
    """Of one row of a channel (with its precharge), of all chips that answer together."""
    read_j_per_bit: float
    """From the row buffer to the memory's port."""
    write_j_per_bit: float
    port_j_per_bit: float
    """Part of both that units inside the memory save."""
    background_w: float
    refresh_w: float

    @classmethod
    def read(cls, fields: Fields, capacity_bytes: int) -> MemoryEnergy:
        """From the `energy` of a description of ``catalog/dram``. Raises `InputError`."""
        fields.only("activate", "read", "write", "port", "background_per_gb", "refresh_per_gb")
        capacity_gb = capacity_bytes / _GB
        return cls(
            fields.quantity("activate", "J"),
            fields.quantity("read", "J/bit"),
            fields.quantity("write", "J/bit"),
            fields.quantity("port", "J/bit"),
            fields.quantity("background_per_gb", "W") * capacity_gb,
            fields.quantity("refresh_per_gb", "W") * capacity_gb,
        )


@dataclass(frozen=True)
class UnitEnergy:
    """Of what computes; that of a copy engine is counted in the unit beside it."""

    static_w: float
    """Always: leakage, clocks, the board's converters and fans."""
    active_w: float
    """On top while any of its lanes computes or moves data, whatever it does: its *active base*."""
    software_w: float
    """On top while the software is at what it does once a step for each sequence (sampling, book-keeping)."""
    on_chip_j_per_bit: float
    """Of every byte that it takes in or gives out: caches, wires, registers."""
    operation_j: tuple[tuple[str, float], ...]
    """Of one multiplication or addition, by operand type."""
    unpack_j: float
    """Of one weight that is stored in fewer bits than it is multiplied in, each time it is read."""

    @classmethod
    def read(cls, fields: Fields) -> UnitEnergy:
        """Powers in watts, or as shares of the board's. Raises `InputError`."""
        powers = ("static", "active", "software")
        shares = (f"{power}_share" for power in powers)
        fields.only("operations", "on_chip", "unpack", optional=("board_power", *powers, *shares))
        operations = fields.child("operations")
        return cls(
            _power(fields, "static"),
            _power(fields, "active"),
            _power(fields, "software") if "software" in fields or "software_share" in fields else 0.0,
            fields.quantity("on_chip", "J/bit"),
            tuple((name, operations.quantity(name, "J")) for name, _ in operations.items()),
            fields.quantity("unpack", "J"),
        )


@dataclass(frozen=True)
class TransferEnergy:
    """Of a link, a fabric between memories, or a switch of its own."""

    j_per_bit: float
    """Both ends included."""
    static_w: float

    @classmethod
    def read(cls, fields: Fields) -> TransferEnergy:
        """Raises `InputError`."""
        fields.only("transfer", optional=("static",))
        static_w = fields.quantity("static", "W") if "static" in fields else 0.0
        return cls(fields.quantity("transfer", "J/bit"), static_w)


def _power(fields: Fields, name: str) -> float:
    if name in fields:
        return fields.quantity(name, "W")
    return fields.quantity("board_power", "W") * fields.share(f"{name}_share")
