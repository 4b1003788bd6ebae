"""What an element uses of its node: measured while it works, kept beside its log, shown by ``sweep status``."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.sim.batch.submission import Submission
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.whole_file import write_whole

_EVERY_S: Final = 1.0
_NAME: Final = re.compile(r"[1-9][0-9]{0,8}\.json", re.ASCII)
_GROWTH: Final = 1.1
"""A peak that has grown by a tenth is written down at once: who takes too much is killed without a word."""


class Usage(BaseModel):
    """Of one element, over all times that it ran."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peak_bytes: int = Field(ge=0)
    """Resident memory: the sum over its processes of the most each has had. What they share counts in each."""
    wall_s: float = Field(ge=0, allow_inf_nan=False)


def usage_of(submission: Submission, index: int) -> Usage | None:
    """What element `index` has used so far; None where it has not said."""
    try:
        return Usage.model_validate_json(own_file.read(submission.used(index)))
    except (OSError, ValueError):
        return None


def usages(submission: Submission) -> list[Usage]:
    """Of every element that has said what it used."""
    with suppress(OSError):  # a submission of before there were any
        numbers = [int(name[:-5]) for name in os.listdir(submission.folder / "used") if _NAME.fullmatch(name)]
        return [used for number in numbers if (used := usage_of(submission, number)) is not None]
    return []


class UsageMeter:
    """Looks at this process and all below it every second."""

    def __init__(self, submission: Submission, index: int) -> None:
        before = usage_of(submission, index) or Usage(peak_bytes=0, wall_s=0.0)
        self.peak_bytes = 0
        self._before, self._file = before, submission.used(index)
        self._written_bytes = 0
        self._began_s = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure while the block runs, and write what it came to."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._write()

    def look(self) -> None:
        """Take the present into account."""
        self.peak_bytes = max(self.peak_bytes, sum(_peak_bytes(pid) for pid in _family(os.getpid())))
        if self.peak_bytes > _GROWTH * self._written_bytes:
            self._write()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.look()

    def _write(self) -> None:
        used = Usage(
            peak_bytes=max(self.peak_bytes, self._before.peak_bytes),
            wall_s=round(self._before.wall_s + time.monotonic() - self._began_s, 3),
        )
        self._written_bytes = self.peak_bytes
        with suppress(OSError):  # a store that cannot be written is said by what writes points
            write_whole(self._file, (used.model_dump_json() + "\n").encode(), flush=False)


def _family(pid: int) -> list[int]:
    """It and all processes below it."""
    below: dict[int, list[int]] = {}
    for entry in os.scandir("/proc") if os.path.isdir("/proc") else ():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):  # it may just have ended
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += below.get(each, [])
    return found


def _peak_bytes(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
