"""How long compiling has kept this process: announced when it begins, and no part of what a run takes.

Apart from `moe_cosim.compiled`, so that who only wants to know need not import Numba.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final


class Compiling:
    """What the process has compiled so far. The compiler says `begin` and `end`; they may nest."""

    def __init__(self) -> None:
        self.announce: Callable[[str], None] | None = None
        """Is told, once, that compiling has begun; a command line sets it."""
        self.keeps: bool = True
        """Whether machine code is kept for the next process."""
        self.said = False
        """Whether it has been told."""
        self._seconds = 0.0
        self._depth = 0
        self._began_s = 0.0

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return self._seconds + (time.perf_counter() - self._began_s if self._depth else 0.0)

    def begin(self) -> None:
        """The compiler starts; the first one announces it, if anybody wants to hear."""
        if not self._depth:
            self._began_s = time.perf_counter()
        self._depth += 1
        if self.announce is not None and not self.said:
            self.said = True
            often = "once per installation" if self.keeps else "in every process: there is no folder to keep it in"
            self.announce(f"compiling what this needs of the engine, {often}")

    def end(self) -> None:
        """The compiler is done; the time counts from the outermost `begin`."""
        self._depth -= 1
        if not self._depth:
            self._seconds += time.perf_counter() - self._began_s


compiling: Final = Compiling()


class Stopwatch:
    """Wall time since it was made, or last asked, without what compiling took."""

    def __init__(self) -> None:
        self._since_s = self._now_s()

    def lap_s(self) -> float:
        """Seconds since the last call, or the first look."""
        since_s, self._since_s = self._since_s, self._now_s()
        return self._since_s - since_s

    @staticmethod
    def _now_s() -> float:
        return time.perf_counter() - compiling.seconds
