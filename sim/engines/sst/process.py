"""Short outside programs, run to their end with their output kept."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LAST_LINES: Final = 12


@dataclass(frozen=True)
class ProcessOutcome:
    """How a program ended. A negative `returncode` is the signal that killed it."""

    returncode: int
    output: str
    """Standard output and error, in the order written."""

    def last_lines(self, count: int = _LAST_LINES) -> str:
        """The end of what it printed, without empty lines: what an error shows."""
        lines = [line.rstrip() for line in self.output.splitlines() if line.strip()]
        return "\n".join(lines[-count:]) or "(it printed nothing)"


def call(command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> ProcessOutcome:
    """Run `command`; a program that cannot be started ends with 127, as in a shell."""
    try:
        done = subprocess.run(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd=cwd,
            check=False,
        )
    except OSError as error:
        return ProcessOutcome(127, f"{command[0]}: {error.strerror}")
    return ProcessOutcome(done.returncode, done.stdout.decode(errors="replace"))
