"""What stands in the queues of a memory's controllers: reads that wait for others, and writes that nobody waits for."""

from __future__ import annotations

from typing import Any, Final

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, KernelState

QUEUE_GRID: Final = 1024.0
"""Parts of a byte in which writes of one time are counted: sums that no order changes."""


@compiled_part
def queue_up(s: KernelState, at: int) -> int:
    """How long the first read of a flow that begins now stands in its memory's queues, behind the reads of flows that
    began before; from now on others stand behind its own. A flow that its window limits waits line by line instead."""
    slot = s.slot[at]
    resource = s.resource[slot.closes]
    settle_backlog(resource, s.counters[0].now_ps)
    resource.backlog_now += slot.backlog
    if slot.limited > 0 or resource.backlog == 0:
        return 0
    return int(min(resource.backlog, resource.queue_bytes) / resource.rate)


@compiled_part
def settle_backlog(resource: Any, now_ps: int) -> None:
    """What began at another time than now began before. `resource` is of RESOURCE."""
    if resource.backlog_ps != now_ps:
        resource.backlog += resource.backlog_now
        resource.backlog_now = 0
        resource.backlog_ps = now_ps


@compiled_part
def settle_writes(resource: Any, now_ps: int) -> None:
    """Writes that stand in the queues are served in what the memory's flows leave of its time. To be called before one
    comes or goes. Those that came at this very time stay apart: they came before nobody who comes now."""
    if resource.queued_ps == now_ps:
        return
    resource.queued_writes += resource.queued_now / QUEUE_GRID
    resource.queued_now = 0
    if resource.queued_writes == 0.0:
        return
    spare = max(resource.rate - resource.demand / DEMAND_GRID, 0.0)
    resource.queued_writes = max(resource.queued_writes - spare * (now_ps - resource.queued_ps), 0.0)
    resource.queued_ps = now_ps


@compiled_part
def written_early(resource: Any, size: float, room: float, ahead: float, now_ps: int) -> float:
    """Of `size` bytes that are written now, those for whose writes nobody waits: as many as find room in the queues,
    which hold `room`, and those of a copy that were read `ahead` of its first write, while there was nothing to write.
    """
    settle_writes(resource, now_ps)
    early = min(size, max(room - resource.queued_writes, 0.0) + ahead)
    resource.queued_now += int(max(early - ahead, 0.0) * QUEUE_GRID)
    resource.queued_ps = now_ps
    return float(early)
