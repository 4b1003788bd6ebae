"""The measured expander as a machine, and what its cores get on it in the embedded engine.

Cores stream with a window each, as long as it takes to see their rate. More lines under way make more load; the
latency of a line is then lines under way / rate (Little's law), that of all lines on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.cxl.flits import LINE_BYTES
from moe_cosim.hw_models.cxl.loaded_latency import Requesters
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.validate.memory_servers import ServedMemory

_LINES_PER_CORE: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48)
"""Under way from each core: the loads of a curve."""
_LINK_PS: Final = 75_000
"""One way; the rest of the idle latency is the memory's."""
_BYTES_PER_CORE: Final = 1 << 20
_CREDITS: Final = 600
"""As the catalogue's link has it (`cxl-credits`)."""
_FULL: Final = AccessEfficiency((float(LINE_BYTES),), (1.0,), (1.0,))


@dataclass(frozen=True)
class EngineCurve:
    """Latency against bandwidth, both rising."""

    bytes_per_s: tuple[float, ...]
    latency_ps: tuple[float, ...]

    @property
    def saturated_bytes_per_s(self) -> float:
        """What the engine's memory gives at most."""
        return self.bytes_per_s[-1]

    def latency_at_ps(self, bytes_per_s: float) -> float:
        """Between the curve's loads by straight lines, beyond them the nearest."""
        return float(np.interp(bytes_per_s, self.bytes_per_s, self.latency_ps))


@cache
def engine_curve(place: ServedMemory, by: Requesters, read_share: float) -> EngineCurve:
    """Of cores that read `read_share` of their bytes and write the rest. The place's protocol must be known."""
    least = math.ceil(1 / min(share for share in (read_share, 1 - read_share) if share > 0) - 1e-9)  # one of each kind
    lines = [*(n for n in _LINES_PER_CORE if least <= n < by.lines_per_core), by.lines_per_core]
    points = [_point(place, 1, least, read_share), *(_point(place, by.cores, n, read_share) for n in lines)]
    rates = np.maximum.accumulate([rate for rate, _ in points])
    return EngineCurve(tuple(rates.tolist()), tuple(latency for _, latency in points))


def _point(place: ServedMemory, cores: int, lines: int, read_share: float) -> tuple[float, float]:
    """Bytes/s of all, and ps that a line takes."""
    from moe_cosim.sim.engines.embedded import EmbeddedEngine
    from moe_cosim.workloads.programs.builder import ProgramBuilder

    machine = expander(place, cores, lines)
    builder = ProgramBuilder(machine)
    read = round(_BYTES_PER_CORE * read_share / LINE_BYTES) * LINE_BYTES
    written = _BYTES_PER_CORE - read
    for core, unit in enumerate(machine.units):
        at = 2 * core * _BYTES_PER_CORE
        accesses = [builder.read("far", read, at)]
        if written:
            accesses.append(builder.write("far", written, at + _BYTES_PER_CORE))
        builder.stream(f"{unit}.load", *accesses)
    end_ps = int(EmbeddedEngine(line_bytes=LINE_BYTES).run(machine, builder.build()).end_ps.max())
    moved_ps = end_ps - machine.round_trip_ps(next(iter(machine.units)), "far")
    rate = cores * _BYTES_PER_CORE / moved_ps
    return rate * 1e12, cores * lines * LINE_BYTES / rate


def expander(place: ServedMemory, cores: int, lines: int) -> Machine:
    """Cores with so many lines under way each, what limits them on their way, the link, and its memory."""
    assert place.protocol is not None
    protocol = replace(place.protocol, credits=_CREDITS)
    units = [Unit(f"core{n}", "cpu", ("load",), "near", lines * LINE_BYTES) for n in range(cores)]
    rate = min(place.read_bytes_per_s, place.write_bytes_per_s)
    far_ps = round(place.idle_ps) - 2 * _LINK_PS - round(LINE_BYTES / rate * 1e12)
    memories = [
        Memory("near", "host", 1 << 40, 1 << 40, 1, LINE_BYTES, 1e12, _FULL, 0),
        Memory("far", "cxl", 1 << 40, 1 << 41, 1, LINE_BYTES, rate, _FULL, far_ps, conflicts=place.conflicts),
    ]
    wires = [Link(f"{part.name}-wire", (part.name, "hub"), math.inf, 1.0, 0) for part in _joined(units, memories[:1])]
    link = Link("link", ("hub", "far"), protocol.lanes.bytes_per_s, 1 / protocol.read.s2m, _LINK_PS, protocol)
    return Machine("expander", units, memories, [*wires, link], [Switch("hub", 0, place.path_bytes_per_s)])


def _joined(units: Sequence[Unit], memories: Sequence[Memory]) -> list[Unit | Memory]:
    return [*units, *memories]
