"""All packets of slices and counters, in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.trace.counters import Counter
from moe_cosim.sim.trace.packets import Packets, Samples
from moe_cosim.sim.trace.schema import TYPE_COUNTER, TYPE_INSTANT, TYPE_SLICE_BEGIN, TYPE_SLICE_END
from moe_cosim.sim.trace.slices import Slices

_PS_PER_NS: Final = 1000


@dataclass(frozen=True)
class Ordered:
    """The packets, the samples that those of counters show, and where each slice's are."""

    packets: Packets
    samples: Samples
    begins_at: NDArray[np.int64]
    """[S] place among the packets of the slice's first."""
    ends_at: NDArray[np.int64]
    """[S] and of its last; the same for an instant."""

    @classmethod
    def of(cls, slices: Slices, counters: Sequence[Counter]) -> Ordered:
        """Times are rounded down to nanoseconds; what has the same picosecond stays in the order of its track."""
        number = np.where(slices.is_instant, 1, 2)
        past = np.cumsum(number)
        row = np.repeat(np.arange(len(number)), number)
        time_ps, type_ = slices.begin_ps[row], np.full(len(row), TYPE_SLICE_BEGIN, np.uint8)
        type_[past[slices.is_instant] - 1] = TYPE_INSTANT
        ends = past[~slices.is_instant] - 1
        type_[ends], time_ps[ends] = TYPE_SLICE_END, slices.end_ps[~slices.is_instant]

        values = np.concatenate([counter.value for counter in counters])
        times_ns = np.concatenate([counter.time_ns for counter in counters])
        track = np.repeat([counter.track for counter in counters], [len(counter.value) for counter in counters])
        time_ps = np.concatenate([time_ps, times_ns * _PS_PER_NS])
        order = np.argsort(time_ps, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return cls(
            Packets(
                time_ps[order] // _PS_PER_NS,
                np.concatenate([type_, np.full(len(values), TYPE_COUNTER, np.uint8)])[order],
                np.concatenate([row, np.arange(len(values))])[order],
            ),
            Samples(track.astype(np.uint32), values.view(np.uint64)),
            place[past - number],
            place[past - 1],
        )
