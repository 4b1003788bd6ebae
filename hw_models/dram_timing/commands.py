"""What a controller can tell a DRAM to do, and the levels at which commands hold each other up."""

from __future__ import annotations

from typing import Final

ACT: Final = 0
PRE: Final = 1
RD: Final = 2
WR: Final = 3
PREA: Final = 4
"""Precharge of all banks of a refresh scope."""
REF: Final = 5
"""Refresh of all banks of a scope."""
REFB: Final = 6
"""Refresh of one bank."""
COMMANDS: Final = 7

CHANNEL: Final = 0
PSEUDO_CHANNEL: Final = 1
RANK: Final = 2
"""Of DIMMs; of HBM3 a stack ID."""
GROUP: Final = 3
BANK: Final = 4
LEVELS: Final = 5
