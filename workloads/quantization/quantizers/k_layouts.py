"""GGUF's k-quants as they lie in memory: blocks of 256 weights whose scales have a scale themselves.

Layouts are facts of ggml (ggml-org/llama.cpp, commit 01243c5, ggml/src/ggml-common.h: block_q2_K to block_q6_K; the
order of bits as gguf-py/gguf/quants.py, commit 150f157, unpacks them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK_WEIGHTS: Final = 256

Bytes: TypeAlias = NDArray[np.uint8]
Halves: TypeAlias = NDArray[np.float16]
Floats: TypeAlias = NDArray[np.float32]


class Plane(NamedTuple):
    """Some bits of every code: `stride` bytes hold 8 / bits times as many codes, of which code i lies in byte i modulo
    stride, the first ones in the lowest bits."""

    bits: int
    stride: int

    def pack(self, codes: Bytes) -> Bytes:
        """[blocks, codes] below 2^bits as [blocks, bytes]."""
        apart = codes.reshape(len(codes), -1, 8 // self.bits, self.stride) << self._shifts
        joined: Bytes = np.bitwise_or.reduce(apart, axis=2).reshape(len(codes), -1)
        return joined

    def unpack(self, data: Bytes) -> Bytes:
        """What `pack` packed: `data` [blocks, bytes] as codes [blocks, 256]."""
        apart = data.reshape(len(data), -1, 1, self.stride) >> self._shifts
        return (apart & np.uint8(2**self.bits - 1)).reshape(len(data), -1)

    @property
    def _shifts(self) -> Bytes:
        return np.arange(0, 8, self.bits, dtype=np.uint8)[:, None]


class KBlocks(NamedTuple):
    """What blocks hold. A weight is d * scale * (code - centre) - dmin * min."""

    codes: Bytes
    """[blocks, 256], from 0 to 2^bits - 1."""
    scales: NDArray[np.int8]
    """[blocks, groups]."""
    mins: NDArray[np.int8]
    """[blocks, groups]; zeros where the type has none."""
    d: Halves
    """[blocks]."""
    dmin: Halves
    """[blocks]; zeros where the type has none."""


@dataclass(frozen=True)
class KType:
    """One of the types."""

    bits: int
    group_size: int
    """Weights that share a scale and a min."""
    scale_bits: int
    has_mins: bool
    """Then scales are not negative and codes count from 0; else scales have a sign and codes are centred."""
    fields: np.dtype[np.void]
    """Of a block, in order, without gaps."""
    low: Plane
    high: Plane | None = None
    """The bits above those of `low`."""

    @property
    def centre(self) -> int:
        """The code that stands for 0 where there are no mins."""
        return 0 if self.has_mins else int(2 ** (self.bits - 1))

    @property
    def scale_range(self) -> tuple[int, int]:
        """Least and largest scale."""
        count = 2**self.scale_bits
        return (0, count - 1) if self.has_mins else (-count // 2, count // 2 - 1)

    def pack(self, blocks: KBlocks) -> Bytes:
        """[blocks, bytes of one]."""
        packed = np.zeros(len(blocks.codes), self.fields)
        packed["low"] = self.low.pack(_bits(blocks.codes, 0, self.low.bits))
        if self.high is not None:
            packed["high"] = self.high.pack(blocks.codes >> np.uint8(self.low.bits))
        packed["scales"] = self._pack_scales(blocks)
        packed["d"] = blocks.d
        if self.has_mins:
            packed["dmin"] = blocks.dmin
        return packed.view(np.uint8).reshape(len(packed), -1)

    def unpack(self, data: Bytes) -> KBlocks:
        """What `pack` packed: `data` [blocks, bytes of one]."""
        packed = np.ascontiguousarray(data).view(self.fields).reshape(-1)
        codes = self.low.unpack(packed["low"])
        if self.high is not None:
            codes = codes | self.high.unpack(packed["high"]) << np.uint8(self.low.bits)
        scales, mins = self._unpack_scales(packed["scales"])
        dmin = packed["dmin"] if self.has_mins else np.zeros_like(packed["d"])
        return KBlocks(codes, scales.astype(np.int8), mins.astype(np.int8), packed["d"], dmin)

    def values(self, blocks: KBlocks) -> Floats:
        """[blocks, 256], every product and difference rounded to float32 as ggml rounds them."""
        shape = (len(blocks.codes), -1, self.group_size)
        steps = blocks.d.astype(np.float32)[:, None] * blocks.scales.astype(np.float32)
        found = steps[:, :, None] * (blocks.codes.reshape(shape).astype(np.float32) - np.float32(self.centre))
        if self.has_mins:
            found -= (blocks.dmin.astype(np.float32)[:, None] * blocks.mins.astype(np.float32))[:, :, None]
        return found.reshape(-1, BLOCK_WEIGHTS)

    def _pack_scales(self, blocks: KBlocks) -> Bytes:
        scales, mins = blocks.scales.view(np.uint8), blocks.mins.view(np.uint8)
        if self.scale_bits == 8:
            return scales
        if self.scale_bits == 4:
            return scales | mins << _HALF
        if self.has_mins:
            tops = [part[:, :4] | _bits(part[:, 4:], 4, 2) << _SIX for part in (scales, mins)]
            return np.concatenate([*tops, _bits(scales[:, 4:], 0, 4) | mins[:, 4:] << _HALF], axis=1)
        above = scales + _ABOVE
        return np.concatenate([_SCALES_LOW.pack(_bits(above, 0, 4)), _SCALES_HIGH.pack(_bits(above, 4, 2))], axis=1)

    def _unpack_scales(self, data: Bytes) -> tuple[Bytes, Bytes]:
        none = np.zeros((len(data), BLOCK_WEIGHTS // self.group_size), np.uint8)
        if self.scale_bits == 8:
            return data, none
        if self.scale_bits == 4:
            return _bits(data, 0, 4), _bits(data, 4, 4)
        if self.has_mins:
            of_scales, of_mins, lower = data[:, :4], data[:, 4:8], data[:, 8:]
            last_scales = _bits(lower, 0, 4) | _bits(of_scales, 6, 2) << _HALF
            last_mins = _bits(lower, 4, 4) | _bits(of_mins, 6, 2) << _HALF
            scales = np.concatenate([_bits(of_scales, 0, 6), last_scales], axis=1)
            return scales, np.concatenate([_bits(of_mins, 0, 6), last_mins], axis=1)
        return (_SCALES_LOW.unpack(data[:, :8]) | _SCALES_HIGH.unpack(data[:, 8:]) << _HALF) - _ABOVE, none


def _bits(data: Bytes, first: int, count: int) -> Bytes:
    """`count` bits of every byte, from bit `first` on."""
    return data >> np.uint8(first) & np.uint8(2**count - 1)


_HALF, _SIX = np.uint8(4), np.uint8(6)
_ABOVE: Final = np.uint8(32)
_SCALES_LOW, _SCALES_HIGH = Plane(4, 8), Plane(2, 4)
"""Of q3_k's 16 scales of 6 bits, each stored 32 above its value."""


def _fields(**counts: int) -> np.dtype[np.void]:
    """Bytes by name, in order; d and dmin are halves."""
    return np.dtype([(name, "<f2") if name in ("d", "dmin") else (name, "u1", count) for name, count in counts.items()])


K_TYPES: Final = {
    "q2_k": KType(2, 16, 4, True, _fields(scales=16, low=64, d=2, dmin=2), Plane(2, 32)),
    "q3_k": KType(3, 16, 6, False, _fields(high=32, low=64, scales=12, d=2), Plane(2, 32), Plane(1, 32)),
    "q4_k": KType(4, 32, 6, True, _fields(d=2, dmin=2, scales=12, low=128), Plane(4, 32)),
    "q5_k": KType(5, 32, 6, True, _fields(d=2, dmin=2, scales=12, high=32, low=128), Plane(4, 32), Plane(1, 32)),
    "q6_k": KType(6, 16, 8, False, _fields(low=128, high=64, scales=16, d=2), Plane(4, 64), Plane(2, 32)),
}
"""By the name of their format."""
