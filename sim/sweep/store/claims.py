"""Who computes which point now: one byte of one file per point, locked while it is computed.

POSIX record locks end with the process that holds them, however it ends, need no clock and no
cleaning up, and work between hosts where the file system passes locks on. Where it does not, two
hosts may compute a point at the same time; they write the same bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

_UNSUPPORTED: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_OFFSET_DIGITS: Final = 15
"""60 bits of the id: below the largest offset of 63 bits."""


class Claims:
    """This process' claims in one store. One object per process: closing any other would drop them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    def take(self, point_id: str) -> bool:
        """Whether the point is now ours; False when another live process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(point_id))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            if error.errno not in _UNSUPPORTED:
                raise
        return True

    def release(self, point_id: str) -> None:
        """Let go of a point that `take` gave."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(point_id))
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def close(self) -> None:
        """Drops every claim."""
        os.close(self._file)


def _offset(point_id: str) -> int:
    return int(point_id[:_OFFSET_DIGITS], 16)
