"""Keeps the card busy with one kind of work for a while, or lets it idle."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from timing import capture, queued_us, warm

COUNTED: Final = ("piece_bytes", "piece_flop", "pieces", "piece_us", "GB_per_s", "TFLOP_per_s", "seconds")
WARM_S: Final = 1.0
MEASURED_S: Final = 3.0
SUBMITTED_US: Final = 5000.0  # device time of what is submitted at once
IN_FLIGHT: Final = 3
MOST_NODES: Final = 2000


@dataclass(frozen=True)
class Load:
    """Work that `step(index)` queues piece by piece, taking operand sets 0 ... sets - 1 in turn."""

    step: Callable[[int], object]
    piece_bytes: int = 0
    piece_flop: int = 0
    sets: int = 1
    graph: bool = True
    busy_share: float = 1.0  # of the time; the host leaves the card alone in between


def idle(wait_s: float) -> tuple[dict[str, Any], float, float]:
    """Nothing for `wait_s`, and then nothing while it is measured: columns, begin and end."""
    time.sleep(wait_s)
    begin_s = time.perf_counter()
    time.sleep(MEASURED_S)
    end_s = time.perf_counter()
    return {"seconds": round(end_s - begin_s, 3)}, begin_s, end_s


def keep_busy(load: Load) -> tuple[dict[str, Any], float, float]:
    """Columns, and begin and end of the measured time by time.perf_counter."""
    pieces, submit = _submission(load)
    flying: deque[torch.cuda.Event] = deque()
    in_flight = IN_FLIGHT if load.busy_share == 1 else 1
    before_s = time.perf_counter()
    begin_s, end_s, first, last = 0.0, 0.0, torch.cuda.Event(enable_timing=True), None
    submissions = 0
    while not begin_s or end_s - begin_s < MEASURED_S:
        at_s = time.perf_counter()
        submit()
        last = torch.cuda.Event(enable_timing=True)
        last.record()
        flying.append(last)
        if len(flying) >= in_flight:
            flying.popleft().synchronize()
        if load.busy_share < 1:
            _wait_until(at_s + (time.perf_counter() - at_s) / load.busy_share)
        end_s = time.perf_counter()
        submissions += 1
        if not begin_s and end_s - before_s >= WARM_S:
            begin_s, submissions = end_s, 0
            first.record()
    torch.cuda.synchronize()
    assert last is not None
    piece_us = 1e3 * first.elapsed_time(last) / (submissions * pieces)
    counted = {
        "piece_bytes": load.piece_bytes,
        "piece_flop": load.piece_flop,
        "pieces": submissions * pieces,
        "piece_us": round(piece_us, 3),
        "GB_per_s": round(load.piece_bytes / piece_us / 1e3, 2),
        "TFLOP_per_s": round(load.piece_flop / piece_us / 1e6, 3),
        "seconds": round(end_s - begin_s, 3),
    }
    return counted, begin_s, end_s


def _submission(load: Load) -> tuple[int, Callable[[], object]]:
    """How many pieces it queues, and what queues them: a CUDA graph of whole rounds, or calls one by one."""
    warm(lambda index: load.step(index % load.sets), 3)
    tried = min(load.sets, 4)
    guess_us = queued_us(lambda: [load.step(index) for index in range(tried)], 2).fastest_us / tried
    rounds = min(math.ceil(SUBMITTED_US / (guess_us * load.sets)), MOST_NODES // load.sets)
    pieces = load.sets * max(1, rounds)
    if load.graph:
        return pieces, capture(lambda index: load.step(index % load.sets), pieces).replay

    def submit() -> None:
        for index in range(pieces):
            load.step(index % load.sets)

    return pieces, submit


def _wait_until(at_s: float) -> None:
    while time.perf_counter() < at_s:
        time.sleep(1e-4)
