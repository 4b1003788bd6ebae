"""What a read of a loaded memory waits: latency against load, from what serves it and how requests come.

Requests come in bursts, one of each core, at random times; what serves a line takes a fixed time. A read that comes by
itself finds s b u / (2 (1 - u)) of work before it, with service time s, burst b and load u: the queue M[X]/D/1
(Gross, Shortle, Thompson, Harris, Fundamentals of Queueing Theory, 4th edition, section 3.1). Cores have so many lines
outstanding and no more, which bounds it: latency x rate is at most what they can have under way (Little's law).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from moe_cosim.hw_models.cxl.flits import LINE_BYTES
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts

_PS_PER_S = 1e12
_FULL = 1 - 1e-9


@dataclass(frozen=True)
class Requesters:
    """`cores` that ask for lines, each with at most `lines_per_core` under way."""

    cores: int
    lines_per_core: int

    @property
    def lines(self) -> int:
        """Lines that all cores together have under way at most."""
        return self.cores * self.lines_per_core


@dataclass(frozen=True)
class LoadedMemory:
    """A memory as cores see it through whatever lies between, under a mix with `read_share` of its bytes read.

    `bytes_per_s` is what the narrowest part carries of that mix.
    """

    idle_ps: float
    bytes_per_s: float
    read_share: float
    conflicts: RowConflicts
    """What reads wait for rows of others; more, the more is read and written."""
    queue_lines: float = math.inf
    """What can wait in front of a read at most; the rest waits in the cores that asked."""

    def latency_ps(self, load_bytes_per_s: float, by: Requesters) -> float:
        """Of a read, while `load_bytes_per_s` are read and written. Raises `ValueError` for a load below 0."""
        if load_bytes_per_s < 0:
            raise ValueError(f"a load of {load_bytes_per_s} bytes/s")
        if load_bytes_per_s == 0:
            return self.idle_ps
        service_ps = LINE_BYTES / self.bytes_per_s * _PS_PER_S
        load = min(load_bytes_per_s / self.bytes_per_s, _FULL)
        burst = by.cores / self.read_share  # a line of each core, and the lines that it writes back
        waits_ps = min(service_ps * burst * load / (2 * (1 - load)), self.queue_lines * service_ps)
        least_ps = self._unqueued_ps(load_bytes_per_s)
        under_way_ps = by.lines * LINE_BYTES / load_bytes_per_s * _PS_PER_S
        return min(least_ps + waits_ps, max(under_way_ps, least_ps))

    def saturated_bytes_per_s(self, by: Requesters) -> float:
        """What all requesters get together when they wait for nothing else."""
        least_ps = self._unqueued_ps(self.bytes_per_s)
        return min(self.bytes_per_s, by.lines * LINE_BYTES / least_ps * _PS_PER_S)

    def _unqueued_ps(self, load_bytes_per_s: float) -> float:
        return self.idle_ps + self.conflicts.wait_ps(load_bytes_per_s, 1 - self.read_share)
