"""Machines in the form the sst engine takes: devices around hubs, at most one switch between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, PeerFabric, Switch, Unit
from moe_cosim.hw_models.machine import Machine

GB_PER_S = 1e9
FLAT = AccessEfficiency((64.0,), (1.0,), (1.0,))


class Parts:
    """Collects devices; `machine` puts them together."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.memories: list[Memory] = []
        self.links: list[Link] = []
        self.switches: list[Switch] = []
        self.peers: list[PeerFabric] = []

    def device(
        self,
        name: str,
        lanes: Sequence[str] = ("main",),
        memory: bool = True,
        window_bytes: float = 64_000,
        rate: float = 100 * GB_PER_S,
        wire_ps: int = 10_000,
        local_memory: str = "",
        channels: int = 4,
        interleave_bytes: int = 256,
    ) -> Parts:
        hub = Switch(f"{name}.hub", 0, math.inf)
        self.switches.append(hub)
        parts: list[str] = []
        if lanes:
            near = local_memory or f"{name}.dram"
            self.units.append(Unit(f"{name}.core", "gpu", tuple(lanes), near, window_bytes))
            parts.append(f"{name}.core")
        if memory:
            base = (len(self.memories) + 1) << 40
            self.memories.append(
                Memory(f"{name}.dram", "hbm", 1 << 30, base, channels, interleave_bytes, rate, FLAT, 50_000)
            )
            parts.append(f"{name}.dram")
        self.links += [Link(f"{part}-hub", (part, hub.name), math.inf, 1.0, wire_ps) for part in parts]
        return self

    def join(self, a: str, b: str, rate: float = 32 * GB_PER_S, latency_ps: int = 60_000) -> Parts:
        self.links.append(Link(f"{a}-{b}", (a, b), rate, 1.0, latency_ps))
        return self

    def switch(self, name: str = "cxl.ports", latency_ps: int = 100_000, rate: float = math.inf) -> Parts:
        self.switches.append(Switch(name, latency_ps, rate))
        return self

    def join_peers(self, members: Sequence[str], rate: float = 25 * GB_PER_S, name: str = "link") -> Parts:
        self.peers.append(PeerFabric(name, tuple(members), rate, 100_000))
        return self

    def machine(self, name: str = "made") -> Machine:
        return Machine(name, self.units, self.memories, self.links, self.switches, peers=self.peers)


def one_device(**changes: float) -> Machine:
    return Parts().device("gpu", **changes).machine()  # type: ignore[arg-type]


def linked_pair() -> Machine:
    """A GPU and a host memory on one link, without a switch."""
    return Parts().device("gpu", ("main", "copies")).device("host", ()).join("gpu.hub", "host.hub").machine()


def switched(ndp: int = 2, gpus: int = 1) -> Machine:
    """GPUs and NDP devices on one switch."""
    parts = Parts().switch()
    for index in range(gpus):
        parts.device(f"gpu{index}", ("main", "copies")).join(f"gpu{index}.hub", "cxl.ports")
    for index in range(ndp):
        parts.device(f"ndp{index}").join("cxl.ports", f"ndp{index}.hub")
    return parts.machine()
