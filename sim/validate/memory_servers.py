"""The two servers whose loaded latencies were published, as a model of queues sees them.

Source of every measured constant: bytedance/eurosys24-artifacts, commit 1cd95f3 (Intel MLC), and which curve it
was read from; rows of those curves count as fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from moe_cosim.hw_models.cxl.lanes import Lanes
from moe_cosim.hw_models.cxl.loaded_latency import LoadedMemory, Requesters
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts

EXPANDER: Final = CxlProtocol("68", Lanes("32 GT/s", 16))
"""x16 Gen5 CXL 1.1, so 68 B flits."""

_REOPEN_PS: Final = 30_000.0
"""tRP + tRCD of DDR5-4800B: 2 x 15 ns or so (JESD79-5)."""
_WRITE_RECOVERY_PS: Final = 30_000.0
"""tWR (JESD79-5)."""
_ROW_CYCLE_PS: Final = 46_000.0
"""tRC of DDR5-4800B (JESD79-5): how long a bank is taken where rows are closed at once."""
_EXPANDER_ROW_OPEN_PS: Final = 700_000.0
"""Assumed of the expander's controller (46 to 2000 ns): it leaves rows open for a while. Of 46, 300 and 700 ns the one
that follows the six curves of node 0 best (30 ns more at a fifth of the load); the DDR5 server has no such rise."""
_BANKS_PER_CHANNEL: Final = 32
"""Of a rank of DDR5 (JESD79-5)."""
_CHANNELS: Final = 2
"""Of a node of the DDR5 server (eight channels in four clusters); assumed of the expander too."""

_SEQUENTIAL_LINES: Final = 48
"""A Golden Cove core's L2 misses under way (Intel's optimization manual, 48 entries)."""
_RANDOM_LINES: Final = 32
"""Its 16 L1 fill buffers; each miss brings the neighbour of its line too (spatial prefetcher)."""


@dataclass(frozen=True)
class ServedMemory:
    """A memory of a server as the cores of a node have it.

    `read_bytes_per_s` and `write_bytes_per_s` are of reads and of writes alone; a mix takes the sum of both times.
    `path_bytes_per_s`: what the way there carries of both together.
    """

    idle_ps: float
    read_bytes_per_s: float
    write_bytes_per_s: float
    protocol: CxlProtocol | None = None
    path_bytes_per_s: float = math.inf
    queue_lines: float = math.inf
    row_open_ps: float = _ROW_CYCLE_PS
    fitted: tuple[tuple[int, bool], ...] = ()
    """The curves (`mlc_w`, random) that were looked at when its constants were chosen."""

    def memory(self, read_share: float) -> LoadedMemory:
        """Under a mix of which so much is read, from 0 to 1: the rate is that of DRAM, link or way, whichever is
        least.
        """
        dram = 1 / (read_share / self.read_bytes_per_s + (1 - read_share) / self.write_bytes_per_s)
        link = math.inf if self.protocol is None else self.protocol.bytes_per_s(read_share)
        rate = min(dram, link, self.path_bytes_per_s)
        return LoadedMemory(self.idle_ps, rate, read_share, self.conflicts, self.queue_lines)

    @property
    def conflicts(self) -> RowConflicts:
        """Its banks, and what a row that has to be closed costs."""
        return RowConflicts(_CHANNELS * _BANKS_PER_CHANNEL, self.row_open_ps, _REOPEN_PS, _WRITE_RECOVERY_PS)


def requesters(cores: int, random: bool) -> Requesters:
    """One core measures latency, a load at a time; the others make the load."""
    return Requesters(max(1, cores - 1), _RANDOM_LINES if random else _SEQUENTIAL_LINES)


_EXPANDER_DRAM: Final = 54.2e9
"""Its controller, reads and writes together: two reads for a write from node 0 reach this."""
_OTHER_PATH: Final = 20.3e9
"""From nodes 2 and 3, whatever the mix: sequential reads of node 3."""
_NEAR: Final = ServedMemory(250_000, _EXPANDER_DRAM, _EXPANDER_DRAM, EXPANDER, row_open_ps=_EXPANDER_ROW_OPEN_PS)
# What limits node 2 lies before the way that it shares with the core that measures latency, so nothing queues there.
_BESIDE: Final = replace(_NEAR, path_bytes_per_s=_OTHER_PATH, queue_lines=0, fitted=((0, False),))
_FAR: Final = replace(_NEAR, idle_ps=485_000, path_bytes_per_s=_OTHER_PATH, fitted=((0, False),))
_DDR5_QUEUE: Final = 180
"""Lines that wait before a channel pair: 267 ns at 68.1 GB/s, sequential reads of node 0."""
_FIRST_SOCKET: Final = ServedMemory(97_000, 68.1e9, 51.3e9, queue_lines=_DDR5_QUEUE)
_SECOND_SOCKET: Final = ServedMemory(97_000, 70.4e9, 24.2e9, queue_lines=_DDR5_QUEUE)


PLACES: Final = {
    ("cxl", 0): replace(_NEAR, fitted=tuple((mix, random) for mix in (0, 2, 5) for random in (False, True))),
    ("cxl", 1): _NEAR,
    ("cxl", 2): _BESIDE,
    ("cxl", 3): _FAR,
    ("ddr5", 0): replace(_FIRST_SOCKET, fitted=((0, False), (2, False))),
    **{("ddr5", node): _FIRST_SOCKET for node in (1, 2, 3)},
    ("ddr5", 4): replace(_SECOND_SOCKET, fitted=((0, False), (2, False))),
    **{("ddr5", node): _SECOND_SOCKET for node in (5, 6, 7)},
}
"""By server and node of the cores."""
