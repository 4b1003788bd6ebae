"""How a run of SST can fail. Exit codes do not say it: SST ends with 0 after a deadlock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from moe_cosim.errors import RunError

_SHOWN_LINES: Final = 12
_NAMED_LANES: Final = 8
_STUCK: Final = "moecosim stuck "
"""How a stream core begins its line on a lane that has not ended."""


class SstError(RunError):
    """A run of SST that gave no result; `kind` names the failure. The last lines SST printed are shown."""

    kind: ClassVar[str] = "failure"

    def __init__(self, summary: str, output: Sequence[str] = ()) -> None:
        self.summary = summary
        lines = [line.rstrip() for line in output if line.strip() and not _NOISE.search(line)][-_SHOWN_LINES:]
        shown = "".join(f"\n  | {line}" for line in lines)
        super().__init__(f"SST, {self.kind}: {summary}{shown}")


class SstMissingError(SstError):
    """SST, or a program that it needs, is not on the PATH."""

    kind = "not installed"


class SstBuildFailedError(SstError):
    """Our elements do not compile here."""

    kind = "elements not built"


class SstLibraryMissingError(SstError):
    """SST does not find an element library."""

    kind = "missing library"


class SstBadConfigurationError(SstError):
    """SST refuses the graph: an element, a parameter or a port that it does not have."""

    kind = "bad configuration"


class SstDeadlockError(SstError):
    """Every lane that had not ended waits for signals that nobody can give."""

    kind = "deadlock"


class SstStopAtError(SstError):
    """SST ended before all lanes had, though something could still happen."""

    kind = "stop-at reached"


class SstExitAfterError(SstError):
    """Wall time reached the limit of `SstOptions`."""

    kind = "exit-after reached"


class SstKilledError(SstError):
    """A signal ended SST."""

    kind = "killed"


class SstOutOfMemoryError(SstError):
    """The system had no memory left for it."""

    kind = "out of memory"


class SstCrashedError(SstError):
    """SST ended by a fault of its own."""

    kind = "crashed"


class SstIncompleteError(SstError):
    """SST ended as if all were well, and timelines are missing or short."""

    kind = "incomplete result"


_NO_LIBRARY: Final = re.compile(
    r'unable to find "?[\w.]+"? element library|cannot open shared object|undefined symbol', re.IGNORECASE
)
_NO_MEMORY: Final = re.compile(r"bad_alloc|cannot allocate memory|out of memory", re.IGNORECASE)
_FATAL: Final = re.compile(r"^\W*(?:FATAL|ERROR|Traceback)", re.MULTILINE)
_EXIT_AFTER: Final = re.compile(r"EXIT-AFTER TIME REACHED")
_SHUTDOWN: Final = re.compile(r"EMERGENCY SHUTDOWN")
_IDLE: Final = re.compile(r"Event queue empty")
_MPI_SIGNAL: Final = re.compile(r"exited on signal (\d+)")

_NOISE: Final = re.compile(
    r"^\s*\d+ : |Fatal Backtrace|MPI_ABORT|^with errorcode|^NOTE: invoking|^You may or may not|^exactly when|^-+$"
)
"""Backtraces and what MPI adds to every error: they would push out the line that says what is wrong."""

_SIGKILL: Final = 9
_STOPPING_SIGNALS: Final = (1, 2, 15)
_REFUSED: Final = (1, 255)
"""Exit codes of SST's own fatal errors while it reads and builds a configuration."""


def failure_of(returncode: int, output: Sequence[str], limit_s: int) -> SstError | None:
    """The failure that exit code and output tell of; None where they tell of none (which proves no success)."""
    text = "\n".join(output)
    if _EXIT_AFTER.search(text):
        return SstExitAfterError(f"the limit of {limit_s} s of wall time ended the run", output)
    if _SHUTDOWN.search(text):
        return SstKilledError("a signal ended the run early", output)
    if _NO_MEMORY.search(text):
        return SstOutOfMemoryError("SST asked for more memory than there is", output)
    signal = _signal(returncode, text)
    if signal is not None:
        return _by_signal(signal, output)
    if returncode != 0:
        if _NO_LIBRARY.search(text):
            return SstLibraryMissingError("SST did not find or could not load an element library", output)
        if _FATAL.search(text) or returncode in _REFUSED:
            return SstBadConfigurationError(f"SST refused the configuration (exit code {returncode})", output)
        return SstCrashedError(f"exit code {returncode}", output)
    return SstDeadlockError(_stuck(output), output) if _IDLE.search(text) else None


def unfinished(output: Sequence[str]) -> SstError:
    """For a run that ended by itself, with exit code 0, before every event had.

    With a time limit set, SST runs an idle simulation up to it: where every unfinished lane waits for
    signals nothing can happen any more, and it is a deadlock whatever ended the run.
    """
    stuck = [line for line in output if line.startswith(_STUCK)]
    if stuck and all(": wait," in line for line in stuck):
        return SstDeadlockError(_stuck(output), output)
    return SstStopAtError(_stuck(output), output)


def _signal(returncode: int, text: str) -> int | None:
    """The signal that ended the program, as seen directly, through a shell, or told by mpirun."""
    if returncode < 0:
        return -returncode
    if returncode > 128 and returncode not in _REFUSED:
        return returncode - 128
    told = _MPI_SIGNAL.search(text)
    return int(told.group(1)) if told else None


def _by_signal(signal: int, output: Sequence[str]) -> SstError:
    if signal == _SIGKILL:
        return SstOutOfMemoryError("killed by signal 9: by the system for lack of memory, or by hand", output)
    if signal in _STOPPING_SIGNALS:
        return SstKilledError(f"ended by signal {signal}", output)
    return SstCrashedError(f"ended by signal {signal}", output)


def _stuck(output: Sequence[str]) -> str:
    stuck = [line.removeprefix(_STUCK).strip() for line in output if line.startswith(_STUCK)]
    more = f"; and {len(stuck) - _NAMED_LANES} more lanes" if len(stuck) > _NAMED_LANES else ""
    return "; ".join(stuck[:_NAMED_LANES]) + more or "not every event has ended"
