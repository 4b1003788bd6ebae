"""What every unit model answers: how long a kernel takes when memory is no limit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ExpertShape:
    """A feed-forward expert: `matrices` weight matrices of hidden x intermediate (3 with a gate)."""

    hidden: int
    intermediate: int
    matrices: int = 3

    @property
    def weights(self) -> int:
        return self.matrices * self.hidden * self.intermediate


LONGEST_PS = 2.0**62
"""Times are cut off here, where int64 ends; engines refuse them (and anything beyond days)."""


class UnitModel(ABC):
    """Kernel times of one unit, decided when lowering, so that all engines agree on them.

    Traffic is not in these times: an engine adds it. Everything is vectorised: arguments broadcast,
    results are int64 ps of the broadcast shape.
    """

    launch_ps: int
    """Fixed cost before a dense kernel's traffic starts."""
    expert_launch_ps: int
    """The same for the experts of one layer, which a GPU runs as one fused group of kernels."""

    @abstractmethod
    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weight_bits: ArrayLike) -> NDArray[np.int64]:
        """Minimum time of one expert's kernel over `tokens` rows with weights of `weight_bits`."""

    @abstractmethod
    def dense_ps(self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike) -> NDArray[np.int64]:
        """Minimum time of a 16-bit matrix product [rows, inner] x [inner, columns]."""
