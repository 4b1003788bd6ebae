"""Several sockets of one host: whose memory its cores read, and over what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

from moe_cosim.hw_models.description import Fields

NUMA_MODES: Final = ("local", "interleaved", "tensor-parallel")


@dataclass(frozen=True)
class Sockets:
    """How kernels use `count` sockets that are alike and all linked to each other.

    - ``local``: one socket computes, from its own memory; the others rest.
    - ``interleaved``: addresses alternate between the sockets' memories, and all sockets share every kernel. A
      socket reads as much from each memory, so that of B bytes B / count^2 cross each link one way.
    - ``tensor-parallel``: every socket computes its slice of each expert from its own memory (KTransformers' NUMA
      mode). What is added up over the link is the activations, a thousandth of the weights: not counted.
    """

    count: int = 1
    mode: str = "local"
    link_bytes_per_s: float = math.inf
    """Payload from one socket to one other, one way."""

    @property
    def at_work(self) -> int:
        """Sockets whose cores compute."""
        return 1 if self.mode == "local" else self.count

    def read_bytes_per_s(self, socket_bytes_per_s: float) -> float:
        """What kernels of all sockets read together, where a socket's channels give `socket_bytes_per_s`."""
        links = self.count**2 * self.link_bytes_per_s if self.mode == "interleaved" else math.inf
        return min(self.at_work * socket_bytes_per_s, links)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises `InputError`."""
        fields.only("sockets", "mode", "link_rate")
        return cls(fields.whole("sockets"), fields.choice("mode", NUMA_MODES), fields.positive("link_rate", "bytes/s"))
