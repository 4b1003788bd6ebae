"""How many bytes weights take: their bits, and the scales and zero points beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.hw_models.units.base import ExpertShape
from moe_cosim.registry import Registry


@dataclass(frozen=True)
class WeightFormat:
    """A storage format of weights."""

    name: str
    bits: int
    """Per weight."""
    group_size: int = 0
    """Weights along a row that share a scale and a zero point; 0: no groups, nothing beside them."""
    scale_bits: int = 0
    zero_point_bits: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for sizes that no format has."""
        if self.bits < 1 or min(self.group_size, self.scale_bits, self.zero_point_bits) < 0:
            raise ValueError(f"format {self.name!r}: at least 1 bit a weight, and no negative sizes")

    def bytes_of(self, weights: int) -> int:
        """Bytes of `weights` packed without gaps, their scales and zero points included.

        Exact for matrices whose rows are whole groups; `expert_bytes` is exact for others too.
        """
        return self._bytes(weights, -(-weights // self.group_size) if self.group_size else 0)

    def matrix_bytes(self, rows: int, row_weights: int) -> int:
        """As `bytes_of`, for `rows` of `row_weights`: a row's last group may be shorter."""
        return self._bytes(rows * row_weights, rows * -(-row_weights // self.group_size) if self.group_size else 0)

    def expert_bytes(self, shape: ExpertShape) -> int:
        """Bytes of one expert: matrices into the hidden layer group along `hidden`, the last along `intermediate`."""
        into = self.matrix_bytes(shape.intermediate, shape.hidden)
        return (shape.matrices - 1) * into + self.matrix_bytes(shape.hidden, shape.intermediate)

    @property
    def bits_per_weight(self) -> float:
        """With the share of scales and zero points."""
        beside = self.scale_bits + self.zero_point_bits
        return self.bits + (beside / self.group_size if self.group_size else 0.0)

    @property
    def summary(self) -> str:
        """One line for listings."""
        return f"{self.bits_per_weight:.3f} bits per weight with scales"

    def _bytes(self, weights: int, groups: int) -> int:
        bits = weights * self.bits + groups * (self.scale_bits + self.zero_point_bits)
        return -(-bits // 8)


formats: Registry[WeightFormat] = Registry("format", "formats", ("moe_cosim.workloads.quantization.formats",))
"""By name. A third party adds its own in a module named by an entry point of the group ``moe_cosim.formats``."""


def register_format(weight_format: WeightFormat) -> WeightFormat:
    """Add a format under its own name; registering another under a taken name is a `ValueError`."""
    return formats.register(weight_format.name)(weight_format)


def find_format(name: object, where: object = "experiment", field: str = "format") -> WeightFormat:
    """The format called `name`; raises `InputError` naming `where` and `field` for any other."""
    if not isinstance(name, str):
        raise InputError(where, field, name, formats.names())
    return formats.get(name, where, field)


def format_of_bits(bits: object, where: object = "experiment", field: str = "bits") -> WeightFormat:
    """The format that stands for an integer bit width: FP16 for 16, grouped integers below.

    Raises `InputError` naming `where` and `field` for a width that no format has.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in _BY_BITS:
        raise InputError(where, field, bits, f"one of {', '.join(map(str, sorted(_BY_BITS)))} bits per weight")
    return _BY_BITS[bits]


FP16: Final = register_format(WeightFormat("fp16", 16))
register_format(WeightFormat("bf16", 16))
register_format(WeightFormat("fp8", 8))  # E4M3; scales per tensor or 128 x 128 block are below 0.03 %
register_format(WeightFormat("mxfp4", 4, group_size=32, scale_bits=8))  # OCP Microscaling Formats 1.0, section 5


def _grouped(bits: int) -> WeightFormat:
    """Integers as GPTQ's kernels store them (arXiv 2210.17323, grouping; the usual group is 128).

    A group has one 16-bit scale and one zero point of as many bits as a weight, packed.
    """
    return WeightFormat(f"int{bits}", bits, group_size=128, scale_bits=16, zero_point_bits=bits)


_BY_BITS: Final = {16: FP16, **{bits: register_format(_grouped(bits)) for bits in (8, 4, 3, 2, 1)}}
