"""What a run of Hermes says of itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.activity import Clusters

Bools = NDArray[np.bool_]
I64 = NDArray[np.int64]


class HermesTally:
    """Counts over decode steps."""

    def __init__(self, clusters: Clusters, units: int) -> None:
        self._size, self._units = clusters.neurons.astype(np.float64), units
        self.swapped_bytes = self.moved_bytes = 0
        self._steps = 0
        self._work = self._on_gpu = 0.0
        self._all = self._right = self._active = self._found = self._likely = 0.0
        self._loads = np.zeros(units)
        self._spread: list[float] = []
        self._worst: list[float] = []

    def add(self, active: Bools, likely: Bools, hot: Bools, tokens: I64, beside: I64) -> None:
        """One step, [layers, clusters] each."""
        size = self._size
        self._steps += 1
        self._all += active.shape[0] * size.sum()
        self._right += float(((active == likely) * size).sum())
        self._active += float((active * size).sum())
        self._found += float(((active & likely) * size).sum())
        self._likely += float((likely * size).sum())
        work = tokens * size
        self._work += float(work.sum())
        self._on_gpu += float((work * hot).sum())
        layers = np.arange(len(beside))[:, None]
        load = np.bincount(
            (beside + self._units * layers).ravel(), weights=(work * ~hot).ravel(), minlength=self._units * len(beside)
        ).reshape(-1, self._units)
        self._loads += load.sum(axis=0)
        self._worst.append(float(load.max(axis=1).sum() / max(load.mean(axis=1).sum(), 1e-9)))

    def end_window(self) -> None:
        """How far the units' loads of the window are apart."""
        self._spread.append(float(self._loads.std() / max(self._loads.mean(), 1e-9)))
        self._loads[:] = 0.0

    def report(self) -> dict[str, float]:
        """Shares of 1, and bytes per token."""
        if not self._steps:
            return {}
        found = {
            "work_on_gpu": self._on_gpu / max(self._work, 1.0),
            "predicted_right": self._right / self._all,
            "predicted_of_active": self._found / max(self._active, 1.0),
            "active_of_predicted": self._found / max(self._likely, 1.0),
            "swapped_bytes_per_token": self.swapped_bytes / self._steps,
            "moved_bytes_per_token": self.moved_bytes / self._steps,
            "busiest_unit_over_mean": float(np.mean(self._worst)),
        }
        if self._spread:
            found["load_variation_in_window"] = float(np.mean(self._spread))
        return found
