"""Where the values of a column lie in a sheet's pool, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled


@compiled
def first_and_mask(code: int, pool: NDArray[np.int64]) -> tuple[int, int]:
    """Row i of a value is ``pool[first + (i & mask)]``: from `code` on, or one for all, that far before the end."""
    if code < 0:
        return len(pool) + code, 0
    return code, -1
