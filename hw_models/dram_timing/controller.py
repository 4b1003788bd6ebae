"""What a memory controller is: its queues, its page policy, how it schedules and refreshes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from moe_cosim.errors import InputError

PAGE_POLICIES: Final = ("open", "closed")
REFRESHES: Final = ("all-bank", "per-bank", "off")
SCHEDULERS: Final = ("row-hit-first", "ready-first")
_MOST: Final = 4096


@dataclass(frozen=True)
class Controller:
    """Raises `InputError` for a choice that there is not."""

    mapping: str = "RoBaRaCoCh"
    """A name, or fields from the lowest address bit up (`layout.AddressLayout`)."""
    read_queue: int = 32
    write_queue: int = 32
    page_policy: str = "open"
    """``closed``: a row is closed as soon as it may be after its first access."""
    scheduler: str = "row-hit-first"
    """Both serve the oldest request whose next command may be given. ``row-hit-first`` closes no row that an older
    request waits for."""
    refresh: str = "all-bank"
    drain_from: float = 0.8
    """Writes are drained once more than this share of their queue is full, or no read waits ..."""
    drain_to: float = 0.2
    """... until less than this is."""
    where: object = field(default="controller", compare=False)

    def __post_init__(self) -> None:
        for name, legal in (("page_policy", PAGE_POLICIES), ("refresh", REFRESHES), ("scheduler", SCHEDULERS)):
            if getattr(self, name) not in legal:
                raise InputError(self.where, name, getattr(self, name), legal)
        for name in ("read_queue", "write_queue"):
            if not 1 <= getattr(self, name) <= _MOST:
                raise InputError(self.where, name, getattr(self, name), f"1 to {_MOST} entries")
        if not 0 <= self.drain_to <= self.drain_from < 1:
            raise InputError(self.where, "drain_to", self.drain_to, f"0 to drain_from ({self.drain_from}), below 1")
