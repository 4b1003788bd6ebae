"""What the tests' schedulers share: ports, and the end of their daemons."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def end_by_pid_file(pid_file: Path, first: signal.Signals) -> None:
    """By `first`, and where that does not end it within seconds, for good. No file is no daemon."""
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    for number in (first, signal.SIGKILL):
        if not _alive(pid):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        limit = time.monotonic() + 5
        while _alive(pid) and time.monotonic() < limit:
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Not so when only its parent has yet to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
