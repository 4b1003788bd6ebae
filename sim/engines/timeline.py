"""What an engine gives back: when every event started and ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Timeline:
    """Integer picoseconds, one row per event of the program, in its order."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]

    @property
    def total_ps(self) -> int:
        return int(self.end_ps.max(initial=0))
