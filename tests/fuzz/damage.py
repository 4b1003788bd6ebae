"""Changes of bytes, whatever they mean."""

from __future__ import annotations

import gzip
import lzma
from random import Random


def damaged(random: Random, data: bytes) -> bytes:
    """`data` cut, flipped, doubled, emptied, or packed."""
    kind = random.randrange(9)
    place = random.randrange(len(data) + 1)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[place:]
    if kind == 2:
        end = min(len(data), place + random.randrange(1, 64))
        return data[:place] + data[end:]
    if kind == 3:
        return data[:place] + bytes(random.randrange(256) for _ in range(random.randrange(1, 64))) + data[place:]
    if kind == 4:
        return b""
    if kind == 5:
        packed = gzip.compress(data, 1)
        return packed[: random.choice((len(packed), len(packed) // 2))]
    if kind == 6:
        return lzma.compress(data, preset=0)
    if kind == 7:
        return data + data
    return flipped(random, data)


def flipped(random: Random, data: bytes) -> bytes:
    """With a few bits or bytes changed."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if found else 0):
        found[random.randrange(len(found))] ^= random.choice((1, 2, 16, 128, 255))
    return bytes(found)
