"""Rates of reading, writing and copying the card's memory (and its L2) against size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import device_kernels
import torch
from table import Table
from timing import graphed_us, sets_beyond_l2

COLUMNS: Final = (
    "section", "case", "kernel", "level", "size_bytes", "moved_bytes", "GB_per_s", "time_us", "fastest_us",
    "repetitions",
)  # fmt: skip
SIZES: Final = [1 << power for power in range(20, 34)]
LARGEST_IN_L2: Final = 32 << 20
BLOCKS: Final = ((2048, 4), (8192, 8))  # values, warps


def run(table: Table) -> None:
    """Every kernel has rows of its own; the rate of an operation is that of the fastest."""
    source = torch.empty(SIZES[-1] // 4, dtype=torch.int32, device="cuda").random_()
    target = torch.empty_like(source)
    sink = torch.empty(1, dtype=torch.int32, device="cuda")
    operations: list[tuple[str, str, int, Callable[[Any, Any], object]]] = [
        ("read", "torch sum", 1, lambda a, b: a.view(torch.float32).sum()),
        ("write", "torch fill", 1, lambda a, b: b.fill_(1)),
        ("copy", "torch copy", 2, lambda a, b: b.copy_(a)),
    ]
    for block, warps in BLOCKS:
        name, how = f"triton {block}", {"block": block, "warps": warps}
        operations += [
            ("read", name, 1, lambda a, b, how=how: device_kernels.read(a, sink, **how)),
            ("write", name, 1, lambda a, b, how=how: device_kernels.write(b, **how)),
            ("copy", name, 2, lambda a, b, how=how: device_kernels.copy(a, b, **how)),
        ]
    for size in SIZES:
        sources, targets = source.split(size // 4), target.split(size // 4)
        for level in ("memory", "L2") if size <= LARGEST_IN_L2 else ("memory",):
            regions = min(sets_beyond_l2(size), len(sources)) if level == "memory" else 1
            for case, kernel, times, launch in operations:
                moved = times * size
                named = {"section": "memory", "case": case, "kernel": kernel, "level": level}
                step = partial(_step, launch, sources, targets)
                table.measure({**named, "size_bytes": size, "moved_bytes": moved}, partial(_rate, step, regions, moved))


def _step(launch: Callable[[Any, Any], object], sources: Any, targets: Any, index: int) -> None:
    launch(sources[index], targets[index])


def _rate(step: Callable[[int], object], regions: int, moved: int) -> dict[str, Any]:
    timing = graphed_us(step, regions)
    return {"GB_per_s": timing.gb_per_s(moved), **timing.columns()}
