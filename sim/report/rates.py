"""Bytes that everything in a machine moved in equal spans of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.trace.transfers import Transfers


def bytes_by_span(machine: Machine, transfers: Transfers, total_ns: int, spans: int) -> NDArray[np.float64]:
    """[resources, spans] of a run of `total_ns`. What an event moves is spread evenly over its time: a timeline does
    not say more (docs/trace.md)."""
    width_ns = max(total_ns, 1) / spans
    moved = np.zeros((len(machine.resources), spans))
    for way, (crossed, _) in enumerate(transfers.ways):
        rows = slice(transfers.first[way], transfers.first[way + 1])
        spread = _spread(transfers.begin_ns[rows], transfers.end_ns[rows], transfers.bytes[rows], width_ns, spans)
        for resource in crossed:
            moved[resource] += spread
    return moved


def _spread(
    begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64], moved: NDArray[np.int64], width_ns: float, spans: int
) -> NDArray[np.float64]:
    """[spans] From its begin on a transfer adds its rate to every later span, and from its end on takes it away."""
    rate = moved / (end_ns - begin_ns)
    found = np.zeros(spans)
    for edge_ns, change in ((begin_ns, rate), (end_ns, -rate)):
        span = np.minimum((edge_ns / width_ns).astype(np.int64), spans - 1)
        rest_ns = (span + 1) * width_ns - edge_ns
        found += np.bincount(span, change * rest_ns, spans)
        later = np.cumsum(np.bincount(span, change, spans))
        found[1:] += later[:-1] * width_ns
    return found
