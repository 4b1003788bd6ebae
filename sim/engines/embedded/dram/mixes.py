"""What a memory gives to the mix of flows that meet there, looked up.

The mix is what its flows would take at their rates alone: how much of that is written, how much is in scattered
blocks, how much is in the banks of another at the same time, and how many streams there are. All are sums
of integers, so no factor depends on the order of the flows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models.dram.mix import READ_SHARES, STREAMS

ONE_STREAM: Final = 720720
"""One stream that a memory sees, in a number that many divide: the accesses of an event to one memory are one stream
together, in equal parts."""
_MOST: Final = STREAMS[-1]
_STEPS: Final = len(READ_SHARES) - 1


@compiled_part
def factor_of(
    streams: NDArray[np.float64],
    scattered: NDArray[np.float64],
    together: NDArray[np.float64],
    memory: int,
    parts: int,
    demand: int,
    written: int,
    in_blocks: int,
    meeting: int,
) -> float:
    """`parts` in units of ONE_STREAM; of `demand` so much is `written`, so much `in_blocks`, and so much `meeting`
    another in its banks; what others met that have gone counts on. The tables are [memories, ...] as `FlatProgram` has
    them.
    """
    count: Any = min((parts + ONE_STREAM - 1) // ONE_STREAM, _MOST)
    place = (demand - written) / demand * _STEPS
    low: Any = min(int(place), _STEPS - 1)
    part = place - low
    factor = streams[memory, count, low] * (1.0 - part) + streams[memory, count, low + 1] * part
    if meeting > 0:
        other = together[memory, low] * (1.0 - part) + together[memory, low + 1] * part
        factor += min(other - factor, 0.0) * min(meeting / demand, 1.0)
    if in_blocks == 0:
        return float(factor)
    other = scattered[memory, low] * (1.0 - part) + scattered[memory, low + 1] * part
    return float(factor + (other - factor) * (in_blocks / demand))
