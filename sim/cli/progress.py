"""Progress on standard error: a bar for people, next to nothing in logs and pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moe_cosim.sim.sweep.pool.local import Pace

_LINE_EVERY_S: Final = 30.0
"""Where standard error is no terminal: a line so often, so that a log shows that it goes on."""


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None] | None]:
    """Yields a function that takes the share done, or None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def watching(wanted: str) -> Iterator[Callable[[Pace], None]]:
    """A live bar with rate and time left on a terminal; a line now and then in a log."""
    if not sys.stderr.isatty():
        yield _line_now_and_then(wanted)
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


@contextmanager
def layers_done(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function of layers done and all: a bar on a terminal, a line per layer in a log."""
    with progress_bar(what) as bar:

        def update(done: int, layers: int) -> None:
            if bar is not None:
                bar(done / layers)
            else:
                sys.stderr.write(f"{what}: layer {done + 1} of {layers}\n")
                sys.stderr.flush()

        yield update


def duration(seconds: float) -> str:
    """``5.2 s``, ``3 min 20 s``, ``7 h 12 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _line_now_and_then(wanted: str) -> Callable[[Pace], None]:
    last_s = time.monotonic()

    def line(pace: Pace) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S:
            last_s = time.monotonic()
            sys.stderr.write(f"{wanted}: {pace.done:,} of {pace.wanted:,}; {_pace(pace)}\n")
            sys.stderr.flush()

    return line


def _pace(pace: Pace) -> str:
    failed = f", {pace.failed:,} failed" if pace.failed else ""
    if pace.per_s is None or pace.left_s is None:
        return f"starting{failed}"
    return f"{pace.per_s:.3g} points/s, {duration(pace.left_s)} left{failed}"
