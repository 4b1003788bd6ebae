"""The order of things within a layer, for the GPU's lane and the lanes beside it."""

from typing import Final

BAND: Final = 16
"""Where experts run behind the attention of each micro-batch, a layer is a band of these slots for each of them."""

DRAFT: Final = 0
"""On any lane, in what comes before the layers of a step."""
START_SIGNAL: Final = 0
HOST: Final = 1
BEFORE_ATTENTION: Final = 2
ATTENTION: Final = 3
CROSS_ATTENTION: Final = 4
DENSE_FFN: Final = 5
GATE: Final = 6
GATE_SIGNAL: Final = 7
AFTER_GATE: Final = 8
SHARED: Final = 9
EXPERTS: Final = 10
GATHER: Final = 11
AFTER_EXPERTS: Final = 12
COMBINE: Final = 13

# lanes of the DMA engines, the NDP cores and the CPU
OTHER_BEFORE_ATTENTION: Final = 0
NEAR_ATTENTION: Final = 1
DENSE_LOADS: Final = 1
OTHER_AFTER_GATE: Final = 2
MOVES: Final = 3
DISPATCH_WAIT: Final = 4
DISPATCH: Final = 5
NEAR_DATA: Final = 6
RETURN: Final = 7
DEFERRED_DISPATCH: Final = 8
DEFERRED: Final = 9
DEFERRED_RETURN: Final = 10
OTHER_AFTER_EXPERTS: Final = 11
