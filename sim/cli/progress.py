"""Progress on standard error: a bar for people, a line a minute in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from moe_cosim.sim.sweep.pool.local import Pace

EVERY_S: Final = 60.0
"""Where standard error is no terminal: a line so often, however long nothing ends."""


class Done(Protocol):
    """Told how much is done: a number of so many, or a share of the whole."""

    def __call__(self, done: float, of: float = 1.0, /) -> None: ...


@contextmanager
def progress_bar(what: str, whose: str = "") -> Iterator[Done]:
    """Of the `what` (``events``, ``runs``) of a command; a log also says `whose` they are."""
    if not sys.stderr.isatty():
        reached = _Reached(what, whose)
        with _in_log(reached.line):
            yield reached
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(what, total=1.0)

        def update(done: float, of: float = 1.0, /) -> None:
            bar.update(task, completed=done, total=of)

        yield update


@contextmanager
def watching(wanted: str) -> Iterator[Callable[[Pace], None]]:
    """A live bar with rate and time left on a terminal; a line a minute in a log."""
    if not sys.stderr.isatty():
        watched = _Watched(wanted)
        with _in_log(watched.line):
            yield watched
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(wanted, total=None, pace="starting workers")

        def update(pace: Pace) -> None:
            bar.update(task, total=pace.wanted, completed=pace.done, pace=_pace(pace))

        yield update


def duration(seconds: float) -> str:
    """``5.2 s``, ``3 min 20 s``, ``7 h 12 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class _Reached:
    """How far something is, for a log.

    The rate is that since the first news, where there were any since: before it workers start and kernels compile.
    """

    def __init__(self, what: str, whose: str) -> None:
        self._what, self._of_whom = what, f"{whose}: " if whose else ""
        self._done, self._of = 0.0, 1.0
        self._first = (0.0, monotonic())
        """Share done at the first news, and when those came."""

    def __call__(self, done: float, of: float = 1.0, /) -> None:
        self._done, self._of = done, of
        if not self._first[0]:
            self._first = (done / of, monotonic())

    def line(self, elapsed_s: float) -> str:
        share = self._done / self._of
        counted = f"{self._done:,} of {self._of:,}" if isinstance(self._of, int) else f"{share:.0%} of"
        left = f", about {duration(self._left_s(share, elapsed_s))} left" if share else ""
        return f"{self._of_whom}{counted} {self._what} after {duration(elapsed_s)}{left}"

    def _left_s(self, share: float, elapsed_s: float) -> float:
        before, since_s = self._first
        if share > before:
            return (monotonic() - since_s) * (1 - share) / (share - before)
        return elapsed_s * (1 - share) / share


class _Watched:
    """How far a sweep is, for a log."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._pace: Pace | None = None

    def __call__(self, pace: Pace) -> None:
        self._pace = pace

    def line(self, elapsed_s: float) -> str:
        pace = self._pace
        if pace is None:
            return f"{self._wanted}: no point yet after {duration(elapsed_s)}"
        return f"{self._wanted}: {pace.done:,} of {pace.wanted:,} points after {duration(elapsed_s)}; {_pace(pace)}"


@contextmanager
def _in_log(line: Callable[[float], str]) -> Iterator[None]:
    """What `line` says of the seconds passed, every `EVERY_S`, from a thread: what runs may be silent for long."""
    ended = Event()
    thread = Thread(target=_write_lines, args=(line, ended.wait, monotonic), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _write_lines(line: Callable[[float], str], wait: Callable[[float], bool], clock: Callable[[], float]) -> None:
    """Until `wait`, which takes the seconds to wait, says that what runs has ended."""
    began_s = clock()
    while not wait(EVERY_S):
        with suppress(OSError, ValueError):  # a log that is closed or full ends nothing
            sys.stderr.write(f"{line(clock() - began_s)}\n")
            sys.stderr.flush()


def _pace(pace: Pace) -> str:
    failed = f", {pace.failed:,} failed" if pace.failed else ""
    if pace.per_s is None or pace.left_s is None:
        return f"starting{failed}"
    return f"{pace.per_s:.3g} points/s, {duration(pace.left_s)} left{failed}"
