"""Who attends to which sequences of a micro-batch, and where their keys and values lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moe_cosim.workloads.batching.batching import Sequences
from moe_cosim.workloads.batching.places import KvHome
from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.lowering.passes import Pass
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints


@dataclass(frozen=True)
class HostShare:
    """Of one micro-batch."""

    parts: Sequences
    resident_before: int
    """Such sequences of the micro-batches before it..."""
    at_host_before: int
    """...and such."""
    layout: ModelLayout
    home: KvHome

    def resident_kv(self, layer: Ints) -> Ints:
        """[cells] where the keys and values begin that stay in the GPU's memory."""
        found: Ints = self.layout.kv[layer] + self.resident_before * self.home.sequence_bytes
        return found

    def cpu_kv(self, layer: Ints) -> Ints:
        """[cells] where those begin, in host memory, to which the CPU attends..."""
        found: Ints = self.home.address[layer] + self.at_host_before * self.home.sequence_bytes
        return found

    def streamed_kv(self, layer: Ints) -> Ints:
        """[cells] ...and behind them those that pass through the GPU."""
        return self.cpu_kv(layer) + self.parts.on_cpu * self.home.sequence_bytes


def shares_of(scene: Scene, passes: Sequence[Pass]) -> list[HostShare]:
    """Of the micro-batches of one pass, in their order."""
    assert scene.layout.host is not None
    assert scene.layout.host.kv is not None
    found, resident, at_host = [], 0, 0
    for each in passes:
        parts = scene.layout.batching.split(each.sequences)
        found.append(HostShare(parts, resident, at_host, scene.layout, scene.layout.host.kv))
        resident, at_host = resident + parts.resident, at_host + parts.at_host
    return found
