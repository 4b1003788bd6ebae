"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import socket
from functools import cache
from pathlib import Path


def write_whole(path: Path, data: bytes, aside: Path) -> None:
    """Write `data` in the folder `aside` and rename it to `path`. Raises `OSError`, leaving nothing.

    Contents reach the disk before the name appears. The name itself may be lost with the power; then
    the point is missing and computed again.
    """
    temporary = aside / f"{path.name}-{_host()}-{os.getpid()}"
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            os.fsync(file)
        finally:
            os.close(file)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def remove_left_aside(aside: Path, pids: set[int]) -> None:
    """Remove what processes of this host, known to be dead, left unfinished."""
    endings = tuple(f"-{_host()}-{pid}" for pid in pids)
    for path in aside.iterdir() if endings else ():
        if path.name.endswith(endings):
            path.unlink(missing_ok=True)


@cache
def _host() -> str:
    return "".join(letter if letter.isalnum() or letter == "." else "_" for letter in socket.gethostname())
