"""Parameters as the authors of models published them (tests/data/published_parameters.csv)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from moe_cosim.workloads.models import Model


@dataclass(frozen=True)
class Published:
    """In billions; what is rounded, by half a unit of its last digit. Names of models are rounded counts."""

    model_type: str
    """The family that reads its configuration."""
    total_b: float
    total_rounding_b: float
    total_elsewhere_b: float
    """Of what is counted there and not here (vision towers)."""
    active_b: float | None
    active_rounding_b: float
    active_without: tuple[str, ...]
    """``embedding`` and ``head``, where the publisher leaves them out."""
    source: str

    def ours_active_b(self, model: Model) -> float:
        """Counted as the publisher does."""
        tables = {"embedding": model.embedding_params, "head": model.head_params}
        return (model.active_params - sum(tables[name] for name in self.active_without)) / 1e9


def published_parameters() -> dict[str, Published]:
    """By the name of the catalogue."""
    with (Path(__file__).parents[2] / "data" / "published_parameters.csv").open(newline="") as rows:
        return {row["model"]: _read(row) for row in csv.DictReader(rows)}


def _read(row: dict[str, str]) -> Published:
    return Published(
        row["model_type"],
        float(row["total_b"]),
        float(row["total_rounding_b"]),
        float(row["total_elsewhere_b"]),
        float(row["active_b"]) if row["active_b"] else None,
        float(row["active_rounding_b"] or 0),
        tuple(row["active_without"].split()),
        row["source"],
    )
