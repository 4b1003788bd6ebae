"""Codes of a few bits side by side in bytes, without gaps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_CHUNK: Final = 1 << 22
"""Codes at a time: eight bytes of memory each. A multiple of 8, so that every chunk fills its last byte."""


def pack_codes(codes: NDArray[np.uint8], bits: int) -> bytes:
    """Codes of 1 to 8 `bits`, the first in the lowest bits of the first byte; the last byte is filled up with zeros.
    `codes` of any shape, row by row.
    """
    flat = codes.reshape(-1)
    parts = []
    for start in range(0, flat.size, _CHUNK):
        spread = np.unpackbits(flat[start : start + _CHUNK, None], axis=1, count=bits, bitorder="little")
        parts.append(np.packbits(spread, bitorder="little").tobytes())
    return b"".join(parts)


def unpack_codes(data: bytes, bits: int, count: int) -> NDArray[np.uint8]:
    """[count] codes of what `pack_codes` packed."""
    codes = np.empty(count, np.uint8)
    packed = np.frombuffer(data, np.uint8)
    for start in range(0, count, _CHUNK):
        mine = min(_CHUNK, count - start)
        first = start * bits // 8
        spread = np.unpackbits(packed[first : first - (-mine * bits // 8)], count=mine * bits, bitorder="little")
        codes[start : start + mine] = np.packbits(spread.reshape(mine, bits), axis=1, bitorder="little")[:, 0]
    return codes
