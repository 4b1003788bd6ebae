"""What refreshes do to the beginning and the end of a flow that reads from DRAM.

The rate of a memory is that of a long stream, so it holds what refreshes cost in the mean. A kernel of a microsecond
sees one, or none. Two kinds:

All banks: the channels stand still for `stall_ps` every `every_ps`. The memory's own time goes on at its mean rate, so
in between it runs ahead of the clock, by `stall_ps` at the most. A flow that the memory limits begins and ends in that
time: the way there is shorter by what the memory is behind its most, and what it then is behind follows its end.

One bank of each scope: other banks are read meanwhile, so only the end can wait, for the reads of a bank that were
behind a refresh.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.dram.refresh_tables import ALL_BANKS, ONE_BANK


@compiled_part
def ahead_ps(clock: Any, time_ps: float) -> float:
    """Of its mean, that a memory whose banks are refreshed all together is at `time_ps`. `clock` is of REFRESH."""
    turn = np.floor(time_ps / clock.every_ps)
    since_ps = time_ps - turn * clock.every_ps
    if turn >= 1.0 and since_ps < clock.stall_ps:
        return float(clock.stall_ps - since_ps)
    return float((since_ps - clock.stall_ps) * clock.stall_ps / (clock.every_ps - clock.stall_ps))


@compiled_part
def reached_ps(clock: Any, mean_ps: float) -> float:
    """When that memory has done what it does in `mean_ps` in the mean: the inverse of time plus `ahead_ps`."""
    done_ps = mean_ps - clock.stall_ps
    turn = max(np.floor(done_ps / clock.every_ps), 0.0)
    part = (clock.every_ps - clock.stall_ps) / clock.every_ps
    return float(turn * clock.every_ps + clock.stall_ps + (done_ps - turn * clock.every_ps) * part)


@compiled_part
def closing_ps(
    clock: Any, turn: NDArray[np.int64], time_ps: float, offset: int, size: int, rate: float, owed_ps: float
) -> float:
    """How much later than `time_ps` the last read of a flow is served, which came to `size` bytes from `offset` of its
    memory at `rate` bytes per ps: at most the clock's `longest_ps`.

    `owed_ps`: what the flow should have begun earlier by; less than 0 where the memory does not limit it. `turn`
    [sets]: those of one memory in the order of their refreshes.
    """
    if clock.kind == ONE_BANK:
        return _bank_ps(clock, turn, time_ps, offset, size, rate)
    if clock.kind != ALL_BANKS:
        return 0.0
    if owed_ps >= 0.0:
        return max(reached_ps(clock, time_ps + clock.stall_ps - owed_ps) - time_ps, 0.0)
    since_ps = time_ps - np.floor(time_ps / clock.every_ps) * clock.every_ps
    return max(clock.stall_ps - since_ps, 0.0) if time_ps >= clock.every_ps else 0.0


@compiled_part
def _bank_ps(clock: Any, turn: NDArray[np.int64], time_ps: float, offset: int, size: int, rate: float) -> float:
    """Of the refreshes before `time_ps`, those whose banks hold reads that were not served when they came.

    Reads of other banks come forward in the meantime, so that a next refresh finds as many fewer.
    """
    end = offset + size
    last_set = (end - 1) // clock.set_bytes
    last_place = last_set % clock.sets
    late_ps = held = held_before = 0.0
    refresh = max(int(np.floor((time_ps - clock.longest_ps) / clock.every_ps)), 0) + 1
    turned = (refresh - 1) % clock.turns
    since_ps = refresh * clock.every_ps
    while since_ps < time_ps:
        sets_back = last_place - turn[turned]
        if sets_back < 0:
            sets_back += clock.sets
        here_bytes = (last_set - sets_back) * clock.set_bytes
        now_held = 0.0
        if here_bytes + clock.set_bytes > offset:  # else no bank that is refreshed was read
            missing = min((time_ps - since_ps) * rate, float(size)) - held - held_before
            first = max(float(here_bytes), end - missing)
            last = float(min(here_bytes + clock.set_bytes, end))
            if last > first:
                now_held = (last - first) * clock.bank_share
                reads = np.ceil((last - first) / clock.set_bytes * clock.reads)
                late_ps = max(late_ps, since_ps + clock.stall_ps + reads * clock.read_ps - time_ps)
        held, held_before = now_held, held
        refresh += 1
        since_ps = refresh * clock.every_ps
        turned = turned + 1 if turned + 1 < clock.turns else 0
    return late_ps
