"""How weights are stored: their bits, the scales and zero points beside them, and in what they are multiplied."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from moe_cosim.errors import InputError
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.registry import Registry

OPERAND_TYPES: Final = ("bf16", "fp8", "fp4", "int8")
"""What tensor cores and the like multiply; ``bf16`` stands for every 16-bit type."""

Packing: TypeAlias = Literal["plain", "grouped", "microscaling", "gguf-simple", "gguf-k", "gguf-iq"]
"""How weights lie in memory, for units that unpack them at a cost: GGUF's k-quants have scales of scales, its
i-quants index tables of lattice points."""


@dataclass(frozen=True)
class WeightFormat:
    """A storage format of weights."""

    name: str
    bits: int
    """Per weight."""
    group_size: int = 0
    """Weights along a row that share a scale and a zero point; 0: no groups, nothing beside them."""
    scale_bits: int = 0
    """All scales of a group, where it has several levels of them."""
    zero_point_bits: int = 0
    multiplied_as: tuple[str, ...] = ("bf16",)
    """Operand types its products may run in, best first; a unit takes the first that it has a rate for. ``bf16``
    alone: the weights are unpacked to 16 bits in the kernel (weight-only quantization)."""
    packing: Packing = "plain"

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


_MIXED: Final = re.compile(r"([a-z0-9_]+)-mix-([1-9][0-9]{0,3})")
_MIXED_WEIGHTS: Final = 256

formats: Registry[WeightFormat] = Registry("format", "formats", ("moe_cosim.hw_models.formats",))
"""By name. A third party adds its own in a module named by an entry point of the group ``moe_cosim.formats``."""


def register_format(weight_format: WeightFormat) -> WeightFormat:
    """Add a format under its own name; registering another under a taken name is a `ValueError`."""
    return formats.register(weight_format.name)(weight_format)


def find_format(name: object, where: object = "experiment", field: str = "format") -> WeightFormat:
    """The format called `name`; raises `InputError` naming `where` and `field` for any other."""
    if not isinstance(name, str):
        raise InputError(where, field, name, formats.names())
    mixed = _MIXED.fullmatch(name)
    return _mixed(mixed[1], int(mixed[2])) if mixed else formats.get(name, where, field)


def mixed_format(main: str, bits_per_weight: float) -> WeightFormat:
    """What stands for several formats within one part: as `main`, of which most of it is, at the mean size. It is found
    by its name, ``MAIN-mix-BYTES`` per 256 weights."""
    return _mixed(main, round(_MIXED_WEIGHTS * bits_per_weight / 8))


@lru_cache(maxsize=256)
def _mixed(main: str, block_bytes: int) -> WeightFormat:
    base = formats.get(main)
    bits = max(min(base.bits, 8 * block_bytes // _MIXED_WEIGHTS), 1)
    beside = max(8 * block_bytes - bits * _MIXED_WEIGHTS, 0)
    name = f"{main}-mix-{block_bytes}"
    return replace(base, name=name, bits=bits, group_size=_MIXED_WEIGHTS, scale_bits=beside, zero_point_bits=0)


def format_of_bits(bits: object, where: object = "experiment", field: str = "bits") -> WeightFormat:
    """The format that stands for an integer bit width: FP16 for 16, grouped integers below.

    Raises `InputError` naming `where` and `field` for a width that no format has.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in _BY_BITS:
        raise InputError(where, field, bits, f"one of {', '.join(map(str, sorted(_BY_BITS)))} bits per weight")
    return _BY_BITS[bits]


FP16: Final = register_format(WeightFormat("fp16", 16))
BF16: Final = register_format(WeightFormat("bf16", 16))
# E4M3 with activations of the same type; a scale per tensor or channel is nothing beside the weights
register_format(WeightFormat("fp8", 8, multiplied_as=("fp8", "bf16")))
# DeepSeek-V3 (arXiv 2412.19437, 3.3): a 32-bit scale per 128 x 128 block
register_format(WeightFormat("fp8-block", 8, multiplied_as=("fp8", "bf16")))
register_format(WeightFormat("int8-w8a8", 8, multiplied_as=("int8", "bf16")))
# OCP Microscaling Formats 1.0, section 5. Activations stay 16-bit, or 8-bit where a unit multiplies fp4 by them
register_format(WeightFormat("mxfp4", 4, group_size=32, scale_bits=8, packing="microscaling"))
# NVIDIA's: 16 E2M1 values share an E4M3 scale (a 32-bit scale per tensor is nothing beside them)
register_format(
    WeightFormat("nvfp4", 4, group_size=16, scale_bits=8, multiplied_as=("fp4", "bf16"), packing="microscaling")
)


def grouped_format(bits: int, group_size: int = 128, zero_point_bits: int | None = None) -> WeightFormat:
    """Integers as GPTQ's and AWQ's kernels store them (arXiv 2210.17323, grouping; 2306.00978): groups along a row,
    usually of 128, with one 16-bit scale and, unless told otherwise, one packed zero point of as many bits as a weight.
    """
    zero_bits = bits if zero_point_bits is None else zero_point_bits
    name = f"int{bits}" + (f"-g{group_size}" if group_size != 128 else "")
    if zero_bits != bits:
        name += f"-z{zero_bits}" if zero_bits else "-symmetric"
    return WeightFormat(name, bits, group_size, 16, zero_bits, packing="grouped")


_BY_BITS: Final = {16: FP16, **{bits: register_format(grouped_format(bits)) for bits in (8, 4, 3, 2, 1)}}
for _group in (32, 64):
    register_format(grouped_format(4, _group))
# bitsandbytes' NF4 and FP4 (QLoRA, arXiv 2305.14314, 3): a 32-bit scale per 64 weights, where they are not nested
register_format(WeightFormat("bnb-4bit", 4, group_size=64, scale_bits=32, packing="grouped"))


def _gguf(name: str, bits: int, block_weights: int, block_bytes: int, packing: Packing) -> None:
    """A block type of GGUF by its size (ggml-common.h of ggml-org/llama.cpp): what is not weights is scales.

    Its kernels quantize activations to 8 bits and multiply integers.
    """
    beside = 8 * block_bytes - bits * block_weights
    register_format(WeightFormat(name, bits, block_weights, beside, 0, ("int8", "bf16"), packing))


for _name, _bits, _weights, _bytes in (
    ("q4_0", 4, 32, 18),
    ("q4_1", 4, 32, 20),
    ("q5_0", 5, 32, 22),
    ("q5_1", 5, 32, 24),
    ("q8_0", 8, 32, 34),
):
    _gguf(_name, _bits, _weights, _bytes, "gguf-simple")
for _name, _bits, _bytes in (("q2_k", 2, 84), ("q3_k", 3, 110), ("q4_k", 4, 144), ("q5_k", 5, 176), ("q6_k", 6, 210)):
    _gguf(_name, _bits, 256, _bytes, "gguf-k")
for _name, _bits, _weights, _bytes in (
    ("iq1_s", 1, 256, 50),
    ("iq1_m", 1, 256, 56),
    ("iq2_xxs", 2, 256, 66),
    ("iq2_xs", 2, 256, 74),
    ("iq2_s", 2, 256, 82),
    ("iq3_xxs", 3, 256, 98),
    ("iq3_s", 3, 256, 110),
    ("iq4_xs", 4, 256, 136),
    ("iq4_nl", 4, 32, 18),
):
    _gguf(_name, _bits, _weights, _bytes, "gguf-iq")
# Mixes of types: of Q4_K_M half of the down projections are q6_k, so an expert has (5 * 4.5 + 6.5625) / 6 bits per
# weight (llama.cpp, llama_tensor_get_type); the mean as a block of 256 (4.844: 4 bits, and 216 beside)
_gguf("q4_k_m", 4, 256, 155, "gguf-k")
