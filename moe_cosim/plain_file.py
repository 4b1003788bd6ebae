"""Files that strangers name: plain ones of a bounded size. Pipes and devices would be read for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

TEXT_BYTES: Final = 2**26
"""64 MiB: more than any description of a model, or result of a run, has."""
_MOST_BYTES: Final = 64 * 2**30
_MOST_PACKED: Final = 2**28
"""Bytes in memory that a small file may become; beyond, at most `_MOST_RATIO` times its size."""
_MOST_RATIO: Final = 200


def check_plain(path: Path) -> None:
    """Raises `OSError` for what is no file, before anything waits for what it may have to say."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a pipe or a device", str(path))


def read_plain(path: Path, most_bytes: int = TEXT_BYTES) -> bytes:
    """All of a file. Raises `OSError` as `check_plain` does, and for one of more than `most_bytes`."""
    check_plain(path)
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes", str(path))
    return data


def most_unpacked(path: Path) -> int:
    """Bytes that the arrays of a file may take in memory: what is packed tighter was made to fill it."""
    return min(_MOST_BYTES, max(_MOST_PACKED, _MOST_RATIO * os.stat(path).st_size))
