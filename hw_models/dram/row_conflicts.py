"""What a read of a loaded memory waits for a bank whose open row is another's.

Requests come to a bank at random; each leaves its row open for a while. So a read finds another row open with the
chance that a request came in that while, 1 - exp(-rate x while), and then waits until its own row is open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

from moe_cosim.hw_models.dram_timing.standard import DramStandard

PS_PER_S: Final = 1e12
ACCESS_BYTES: Final = 64
"""That come to a bank at a time: a line."""


@dataclass(frozen=True)
class RowConflicts:
    """Of a memory that leaves rows open for a while, and then closes them."""

    banks: int
    """Of all channels."""
    row_open_ps: float
    """A request leaves its row open for so long."""
    reopen_ps: float
    """A read that finds another row open in its bank closes it and opens its own (tRP + tRCD)."""
    write_recovery_ps: float
    """It waits for that too where the row was written (tWR)."""

    @classmethod
    def of(cls, standard: DramStandard, channels: int, row_open_ps: float) -> Self:
        """Of so many channels of a standard."""
        reopen, recovery = standard.timings["tRP"] + standard.timings["tRCD"], standard.timings["tWR"]
        clock_ps = standard.clock_ns * 1000
        return cls(channels * standard.banks, row_open_ps, reopen * clock_ps, recovery * clock_ps)

    def wait_ps(self, bytes_per_s: float, written_share: float) -> float:
        """Of a read in the mean, while so many bytes are read and written, that part of them written."""
        bytes_per_ps = bytes_per_s / PS_PER_S
        return conflict_wait_ps(bytes_per_ps, written_share, self.bank_open_ps, self.reopen_ps, self.write_recovery_ps)

    @property
    def bank_open_ps(self) -> float:
        """The time that a row stays open over the number of banks."""
        return self.row_open_ps / self.banks


def conflict_wait_ps(
    bytes_per_ps: float, written_share: float, bank_open_ps: float, reopen_ps: float, recovery_ps: float
) -> float:
    """As `RowConflicts.wait_ps`, in numbers only, which the embedded engine compiles."""
    found_open = -math.expm1(-bytes_per_ps / ACCESS_BYTES * bank_open_ps)
    return found_open * (reopen_ps + written_share * recovery_ps)
