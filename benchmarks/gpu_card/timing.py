"""Times on one CUDA device: of work in a CUDA graph, of work queued on a stream, and as the host sees it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import torch

REPETITIONS: Final = 7
GRAPH_US: Final = 800.0  # a replay lasts at least this long, so that the gap between two replays does not count
MOST_NODES: Final = 1500
L2_TIMES: Final = 8  # operands are read again only after this many times the L2 went through it
HOLD_CYCLES: Final = 2_000_000  # about 1 ms in which the host queues what follows


@dataclass(frozen=True)
class Timing:
    """Times of one piece of work, in microseconds."""

    time_us: float  # the median
    fastest_us: float
    repetitions: int

    @classmethod
    def of(cls, times_us: Sequence[float], pieces: int) -> Timing:
        """From repeated times of `pieces` pieces each."""
        return cls(statistics.median(times_us) / pieces, min(times_us) / pieces, len(times_us))

    def columns(self) -> dict[str, Any]:
        """The columns that every table has."""
        times = {"time_us": round(self.time_us, 3), "fastest_us": round(self.fastest_us, 3)}
        return {**times, "repetitions": self.repetitions}

    def gb_per_s(self, moved_bytes: float) -> float:
        """Rate of the median, 10^9 bytes per second."""
        return round(moved_bytes / self.time_us / 1e3, 2)


def sets_beyond_l2(set_bytes: float) -> int:
    """How many operand sets of this size to take in turn so that none is still in the L2 when it comes again."""
    wanted = L2_TIMES * torch.cuda.get_device_properties(0).L2_cache_size
    return min(MOST_NODES, max(1, math.ceil(wanted / set_bytes)))


@cache
def _side_stream() -> torch.cuda.Stream:
    """Where graphs are captured, after a first run there: libraries allocate their workspaces per stream."""
    return torch.cuda.Stream()


def warm(step: Callable[[int], object], steps: int) -> None:
    """Runs step(0) ... step(steps - 1) where graphs are captured."""
    torch.cuda.synchronize()
    with torch.cuda.stream(_side_stream()):
        for index in range(steps):
            step(index)
    torch.cuda.synchronize()


def capture(step: Callable[[int], object], steps: int) -> torch.cuda.CUDAGraph:
    """A CUDA graph of step(0) ... step(steps - 1), one after the other. They must have run before."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=_side_stream()):
        for index in range(steps):
            step(index)
    return graph


def replay_us(graph: torch.cuda.CUDAGraph, pieces: int = 1) -> Timing:
    """Device time of a replay, divided by the pieces in it; replays are queued, so the host's time does not count."""
    for _ in range(2):
        graph.replay()
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(REPETITIONS + 1)]
    torch.cuda._sleep(HOLD_CYCLES)
    marks[0].record()
    for mark in marks[1:]:
        graph.replay()
        mark.record()
    torch.cuda.synchronize()
    return Timing.of([1e3 * a.elapsed_time(b) for a, b in pairwise(marks)], pieces)


def graphed_us(step: Callable[[int], object], sets: int) -> Timing:
    """Device time of one step in a CUDA graph that takes operand sets 0 ... sets - 1 in turn, whole rounds."""
    warm(lambda index: step(index % sets), 3)
    tried = min(sets, 4)
    guess = queued_us(lambda: [step(index) for index in range(tried)], 2).fastest_us / tried
    rounds = min(math.ceil(GRAPH_US / (guess * sets)), MOST_NODES // sets)
    steps = sets * max(1, rounds)
    return replay_us(capture(lambda index: step(index % sets), steps), steps)


def queued_us(work: Callable[[], object], repetitions: int = REPETITIONS) -> Timing:
    """Device time of work that the host submits while the device is held up, so that its own time does not count."""
    times = []
    for _ in range(repetitions):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        torch.cuda._sleep(HOLD_CYCLES)
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(1e3 * begin.elapsed_time(end))
    return Timing.of(times, 1)


def wall_us(call: Callable[[], object], count: int = 1, repetitions: int = REPETITIONS, finish: bool = True) -> Timing:
    """The host's time for one of `count` calls back to back, with (finish) or without the wait for the device."""
    call()
    times = []
    for _ in range(repetitions):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            call()
        if finish:
            torch.cuda.synchronize()
        times.append(1e6 * (time.perf_counter() - begin))
    torch.cuda.synchronize()
    return Timing.of(times, count)
