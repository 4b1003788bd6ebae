"""The order of things within a layer, for the GPU's lane and the lanes beside it."""

from typing import Final

HOST: Final = 0
ATTENTION: Final = 1
DENSE_FFN: Final = 2
GATE: Final = 3
GATE_SIGNAL: Final = 4
SHARED: Final = 5
EXPERTS: Final = 6
GATHER: Final = 7
COMBINE: Final = 8

# lanes of the DMA engine and the NDP cores: after the gate
MOVES: Final = 1
DISPATCH_WAIT: Final = 2
DISPATCH: Final = 3
NEAR_DATA: Final = 4
RETURN: Final = 5
