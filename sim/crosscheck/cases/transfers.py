"""What programs of transfers on catalogue machines are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.builder import Access, ProgramBuilder


def catalog_machine(
    name: str, settings: Mapping[str, Any] | None = None, assumptions: Mapping[str, Any] | None = None
) -> Callable[[], Machine]:
    """What builds that machine, some fields and assumptions replaced."""
    return lambda: build_machine(name, Assumptions(assumptions), settings or {})


def pair(builder: ProgramBuilder, source: str, target: str, size: int, at: int = 0) -> tuple[Access, Access]:
    """What copies `size` bytes from memory to memory, at the same offset of both."""
    return builder.read(source, size, at), builder.write(target, size, at)
