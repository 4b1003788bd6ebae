"""Rows of experts by the kernel that they are part of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def grouped(kernel: Ints, format_index: Ints, wanted: int) -> tuple[Ints, Ints]:
    """[R] the rows of the `wanted` format, and [K] where among them each kernel begins; `kernel` and `format_index` are
    [all rows], and rows of a kernel are together already.
    """
    rows = np.flatnonzero(format_index == wanted)
    own = kernel[rows]
    return rows, np.flatnonzero(np.diff(own, prepend=own[:1] - 1))
