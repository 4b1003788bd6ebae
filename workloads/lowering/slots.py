"""The order of things within a layer, for the GPU's lane and the lanes beside it."""

from typing import Final

START_SIGNAL: Final = 0
HOST: Final = 1
ATTENTION: Final = 2
DENSE_FFN: Final = 3
GATE: Final = 4
GATE_SIGNAL: Final = 5
SHARED: Final = 6
EXPERTS: Final = 7
GATHER: Final = 8
COMBINE: Final = 9

# lanes of the DMA engines, the NDP cores and the CPU
NEAR_ATTENTION: Final = 0
MOVES: Final = 1
DISPATCH_WAIT: Final = 2
DISPATCH: Final = 3
NEAR_DATA: Final = 4
RETURN: Final = 5
DEFERRED_DISPATCH: Final = 6
DEFERRED: Final = 7
DEFERRED_RETURN: Final = 8
