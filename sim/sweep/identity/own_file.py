"""Files of a store that others may write to: no link is followed, nothing is read that was not known to fit."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 256 * 2**20
"""Of one file, as it lies there and unpacked; a record has some 10 kB, a plan of a million points 100 MB."""


def read(path: str | Path) -> bytes:
    """Raises `OSError`, also for a link and for what is no file, and `ValueError` for what is too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise ValueError("no file, or too large")
        return file.read(_MOST_BYTES)


def unpacked(data: bytes) -> bytes:
    """What gzip packed. Raises `ValueError` or `zlib.error` for what is not whole or too large."""
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    plain = reader.decompress(data, _MOST_BYTES)
    if not reader.eof or reader.unused_data:
        raise ValueError("not whole, or too large")
    return plain
