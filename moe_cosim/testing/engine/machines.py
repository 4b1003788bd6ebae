"""Tiny machines, written out in a test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.machine import Machine

GB_PER_S = 1e9
"""1 GB/s is one byte per nanosecond: 0.001 bytes per ps."""

ALWAYS_PEAK = AccessEfficiency((64.0, 4096.0), (1.0, 1.0), (1.0, 1.0))


def unit(
    name: str, lanes: int | Sequence[str] = 1, memory: str = "m", window_bytes: float = np.inf, kind: str = "gpu"
) -> Unit:
    """A unit without a model; `lanes` by number or by name."""
    names = tuple(f"l{i}" for i in range(lanes)) if isinstance(lanes, int) else tuple(lanes)
    return Unit(name, kind, names, memory, window_bytes)


def memory(
    name: str = "m",
    base: int = 0,
    rate: float = 100 * GB_PER_S,
    latency_ps: int = 0,
    efficiency: AccessEfficiency = ALWAYS_PEAK,
    channels: int = 1,
    interleave_bytes: int = 256,
    capacity: int = 1 << 30,
) -> Memory:
    """`rate` in bytes/s, `capacity` and `base` in bytes."""
    return Memory(name, "hbm", capacity, base, channels, interleave_bytes, rate, efficiency, latency_ps)


def link(a: str, b: str, rate: float = np.inf, latency_ps: int = 0) -> Link:
    """Between `a` and `b`, named after both; `rate` in bytes/s of one direction."""
    return Link(f"{a}-{b}", (a, b), rate, 1.0, latency_ps)


def one_memory(units: Sequence[Unit], part: Memory | None = None, latency_ps: int = 0) -> Machine:
    """Units around one memory on links without limit."""
    part = part or memory()
    links = [link(u.name, part.name, latency_ps=latency_ps) for u in units]
    return Machine("tiny", units, [part], links, [])


def star(units: Sequence[Unit], memories: Sequence[Memory], links: Sequence[Link], switch: Switch) -> Machine:
    """All parts around one switch, if the links say so."""
    return Machine("star", units, memories, links, [switch])
