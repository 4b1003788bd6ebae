"""What a data sheet says about a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import OPERAND_TYPES, WeightFormat
from moe_cosim.hw_models.units.gpu.tiles import Rates

OPERAND_BYTES: Final = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5625}
"""Of an activation with its share of scales (nvfp4's: 16 values share 8 bits)."""


@dataclass(frozen=True)
class GpuFigures:
    """Multiprocessors, dense rates by operand type, and the peak bandwidth of the GPU's own memory."""

    multiprocessors: int
    op_per_s: Mapping[str, float]
    """By operand type, accumulated in FP32; ``bf16`` stands for every 16-bit type and is always there."""
    bytes_per_s: float

    def operand(self, weights: WeightFormat) -> str:
        """The first operand type of the format that there is a rate for; else 16-bit, unpacked in the kernel."""
        return next((name for name in weights.multiplied_as if name in self.op_per_s), "bf16")

    def rates(self, operand: str) -> Rates:
        """What tiles of this operand type are timed with. The type must be one of `op_per_s`."""
        return Rates(self.multiprocessors, self.op_per_s[operand], self.bytes_per_s)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From the fields ``multiprocessors``, ``rates`` and ``memory_rate``."""
        rates = fields.child("rates")
        rates.only("bf16", optional=[name for name in OPERAND_TYPES if name != "bf16"])
        return cls(
            fields.whole("multiprocessors", most=1 << 16),
            {name: rates.finite(name, "op/s") for name in OPERAND_TYPES if name in rates},
            fields.finite("memory_rate", "bytes/s"),
        )
