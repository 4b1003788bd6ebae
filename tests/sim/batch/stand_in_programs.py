"""Puts the stand-ins on the PATH, and ends what they started."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PROGRAMS = ("qsub", "qstat", "qdel", "bsub", "bjobs", "bkill", "flux")


@contextmanager
def stand_ins(folder: Path) -> Iterator[Path]:
    """The folder of a batch system's state, with its programs first on the PATH."""
    programs = folder / "programs"
    programs.mkdir()
    for name in _PROGRAMS:
        script = Path(__file__).with_name("stand_in.py")
        line = shlex.join([sys.executable, "-I", str(script), name])
        (programs / name).write_text(f'#!/bin/bash\nexec {line} "$@"\n')
        (programs / name).chmod(0o755)
    state = folder / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("STAND_IN", str(state))
        try:
            yield state
        finally:
            _end(state)


def _end(state: Path) -> None:
    """Kill every process that has this state in its environment."""
    wanted = f"STAND_IN={state}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
