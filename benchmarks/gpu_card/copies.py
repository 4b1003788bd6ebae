"""Copies between the host and the card against size: one, 16 back to back, both directions, unpinned memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final

import torch
from table import Table
from timing import queued_us, wall_us

COLUMNS: Final = (
    "section", "case", "direction", "host_memory", "size_bytes", "copies", "GB_per_s", "time_us", "fastest_us",
    "wall_us", "repetitions",
)  # fmt: skip
LARGEST: Final = 1 << 30
SIZES: Final = [1 << power for power in range(12, 31, 2)]
PAGEABLE_SIZES: Final = (1 << 16, 1 << 20, 1 << 24, 1 << 28)
IN_A_ROW: Final = 16


def run(table: Table) -> None:
    """time_us is the device's for all the copies of a row, wall_us the host's from the first call to the end."""
    hosts = [torch.zeros(LARGEST, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
    cards = [torch.zeros(LARGEST, dtype=torch.uint8, device="cuda") for _ in range(2)]
    ways = {"host to device": (hosts[0], cards[0]), "device to host": (cards[1], hosts[1])}
    for size in SIZES:
        for direction, (source, target) in ways.items():
            for copies in (1, IN_A_ROW) if size * IN_A_ROW <= LARGEST else (1,):
                case = "single" if copies == 1 else "back to back"
                _measure(table, case, direction, size, copies, _copier(source, target, size, copies))
        _measure(table, "both directions at once", "both", size, 2, _both(ways, size))
    pageable = torch.zeros(LARGEST // 4, dtype=torch.uint8)
    for size in PAGEABLE_SIZES:
        for direction, pair in (
            ("host to device", (pageable, cards[0])),
            ("device to host", (cards[1], pageable)),
        ):
            _measure_pageable(table, direction, size, _copier(*pair, size, 1))


def _copier(source: torch.Tensor, target: torch.Tensor, size: int, copies: int) -> Callable[[], None]:
    """Copies the next `copies` regions of this size at each call, over and over."""
    regions = min(source.numel(), target.numel()) // size
    turn = count()

    def copy() -> None:
        for _ in range(copies):
            start = next(turn) % regions * size
            target[start : start + size].copy_(source[start : start + size], non_blocking=True)

    return copy


def _both(ways: dict[str, tuple[torch.Tensor, torch.Tensor]], size: int) -> Callable[[], None]:
    side = torch.cuda.Stream()
    into, out = (_copier(source, target, size, 1) for source, target in ways.values())

    def copy() -> None:
        main = torch.cuda.current_stream()
        side.wait_stream(main)
        into()
        with torch.cuda.stream(side):
            out()
        main.wait_stream(side)

    return copy


def _named(case: str, direction: str, memory: str, size: int, copies: int) -> dict[str, Any]:
    named = {"section": "copies", "case": case, "direction": direction, "host_memory": memory}
    return {**named, "size_bytes": size, "copies": copies}


def _measure(table: Table, case: str, direction: str, size: int, copies: int, copy: Callable[[], None]) -> None:
    def measured() -> dict[str, Any]:
        copy()
        timing = queued_us(copy)
        rate = timing.gb_per_s(size * copies)
        return {"GB_per_s": rate, **timing.columns(), "wall_us": round(wall_us(copy).time_us, 3)}

    table.measure(_named(case, direction, "pinned", size, copies), measured)


def _measure_pageable(table: Table, direction: str, size: int, copy: Callable[[], None]) -> None:
    def measured() -> dict[str, Any]:
        timing = wall_us(copy)
        return {"GB_per_s": timing.gb_per_s(size), **timing.columns(), "wall_us": round(timing.time_us, 3)}

    table.measure(_named("single", direction, "pageable", size, 1), measured)
