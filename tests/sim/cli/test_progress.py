"""Progress in a log: a line a minute, by a clock of the test's own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from moe_cosim.sim.cli import progress
from moe_cosim.sim.cli.progress import Done, progress_bar, watching
from moe_cosim.sim.sweep.pool.local import Pace


class Clock:
    """Stands in for the clock, and for the event on which the lines' thread waits: time passes where `pass_s` says."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._rest_s = 0.0
        self._ended = False
        self._changed = threading.Condition()
        self._waiting = False

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        with self._changed:
            self._waiting = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended or self._rest_s >= seconds)
            if self._ended:
                return True
            self._rest_s -= seconds
            self.now_s += seconds
            self._waiting = False
            return False

    def set(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def pass_s(self, seconds: float) -> None:
        """Until all lines of that time are written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            self._rest_s += seconds
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting and self._rest_s < progress.EVERY_S)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(progress, "Event", lambda: made)
    monkeypatch.setattr(progress, "monotonic", made.monotonic)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    yield made
    made.set()


def test_a_log_gets_a_line_a_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with _bar("runs", "reproduce trimoe") as done:
        clock.pass_s(59)
        assert capsys.readouterr().err == ""
        clock.pass_s(1)
        done(3, 12)
        clock.pass_s(60)
        done(6, 12)
        clock.pass_s(120)
        done(12, 12)
    assert capsys.readouterr().err.splitlines() == [
        "reproduce trimoe: 0% of runs after 1 min 0 s",
        "reproduce trimoe: 3 of 12 runs after 2 min 0 s, about 6 min 0 s left",
        "reproduce trimoe: 6 of 12 runs after 3 min 0 s, about 4 min 0 s left",
        "reproduce trimoe: 6 of 12 runs after 4 min 0 s, about 6 min 0 s left",
    ]


def test_what_passes_before_the_first_is_no_part_of_the_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with _bar("runs", "reproduce cxl-ndp") as done:
        clock.pass_s(600)  # compiling
        done(2, 162)
        clock.pass_s(60)
        done(82, 162)
        clock.pass_s(60)
    assert capsys.readouterr().err.splitlines()[-1].endswith("82 of 162 runs after 12 min 0 s, about 2 min 0 s left")


def test_a_share_is_said_in_percent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with _bar("events", "lru") as done:
        done(0.25)
        clock.pass_s(3600)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 60
    assert lines[-1] == "lru: 25% of events after 1 h 0 min, about 3 h 0 min left"


def test_what_is_done_within_a_minute_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with _bar("runs", "quick") as done:
        done(1, 2)
        clock.pass_s(30)
        done(2, 2)
    assert capsys.readouterr().err == ""


def test_a_sweep_says_its_pace(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with watching("grid") as watch:
        clock.pass_s(60)
        watch(Pace(done=30, wanted=90, failed=2, per_s=0.5, left_s=120.0))
        clock.pass_s(60)
    assert capsys.readouterr().err.splitlines() == [
        "grid: no point yet after 1 min 0 s",
        "grid: 30 of 90 points after 2 min 0 s; 0.5 points/s, 2 min 0 s left, 2 failed",
    ]


def test_an_error_ends_the_lines(clock: Clock) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), _bar("runs", "bad"):
        raise ZeroDivisionError
    assert threading.active_count() == before


def _bar(what: str, whose: str) -> AbstractContextManager[Done]:
    return progress_bar(what, whose)
