"""How far two timelines of one program are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import COPY, STREAM, Program

MEDIAN_BOUND: Final = 0.02
P95_BOUND: Final = 0.05
TOTAL_BOUND: Final = 0.10
"""What the engines must keep to: event durations over all cases together, and each case's total."""


@dataclass(frozen=True)
class CaseComparison:
    """One case. Event errors are those of the durations of kernels and copies, against SST's.

    A kernel of several events counts once: SST runs it as one. Computes agree by construction and waits follow from
    the rest, so neither is counted.
    """

    name: str
    events: int
    sst_ps: int
    embedded_ps: int
    event_errors: NDArray[np.float64]
    sst_wall_s: float
    embedded_wall_s: float

    @property
    def total_error(self) -> float:
        """Signed: positive where the embedded engine is slower."""
        return self.embedded_ps / self.sst_ps - 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "events": self.events,
            "sst_ps": self.sst_ps,
            "embedded_ps": self.embedded_ps,
            "total_error": self.total_error,
            "event_error_median": _quantile(self.event_errors, 0.5),
            "event_error_p95": _quantile(self.event_errors, 0.95),
            "traffic_events": len(self.event_errors),
            "sst_wall_s": self.sst_wall_s,
            "embedded_wall_s": self.embedded_wall_s,
        }


@dataclass(frozen=True)
class CrossCheck:
    """All cases against one SST."""

    sst_version: str
    live: bool
    """Whether SST ran now, or its recorded timelines stand for it."""
    cases: list[CaseComparison]

    @property
    def pooled_errors(self) -> NDArray[np.float64]:
        return np.concatenate([case.event_errors for case in self.cases]) if self.cases else np.zeros(0)

    def violations(self) -> list[str]:
        """What exceeds its bound, in words; empty when the engines agree."""
        found = []
        for share, bound in ((0.5, MEDIAN_BOUND), (0.95, P95_BOUND)):
            error = _quantile(self.pooled_errors, share)
            if error > bound:
                found.append(f"event errors: {share:.0%} quantile {error:.2%}, allowed {bound:.0%}")
        found += [
            f"{case.name}: total {case.total_error:+.2%}, allowed {TOTAL_BOUND:.0%}"
            for case in self.cases
            if abs(case.total_error) > TOTAL_BOUND
        ]
        return found

    def as_dict(self) -> dict[str, Any]:
        return {
            "sst_version": self.sst_version,
            "live": self.live,
            "event_error_median": _quantile(self.pooled_errors, 0.5),
            "event_error_p95": _quantile(self.pooled_errors, 0.95),
            "violations": self.violations(),
            "cases": [case.as_dict() for case in self.cases],
        }


def compare(
    name: str, program: Program, sst: Timeline, embedded: Timeline, sst_wall_s: float, embedded_wall_s: float
) -> CaseComparison:
    events = program.events
    traffic = np.flatnonzero(np.isin(events["kind"], (STREAM, COPY)))
    begins = ~((events["kind"] == STREAM) & (events["count"] > 0))[traffic]
    first, last = traffic[begins], traffic[np.roll(begins, -1)]  # the events of a kernel follow each other
    expected = sst.end_ps[last] - sst.start_ps[first]
    found = embedded.end_ps[last] - embedded.start_ps[first]
    some = expected > 0
    errors = np.abs(found[some] - expected[some]) / expected[some]
    return CaseComparison(
        name, len(program.events), sst.total_ps, embedded.total_ps, errors, sst_wall_s, embedded_wall_s
    )


def _quantile(errors: NDArray[np.float64] | Sequence[float], share: float) -> float:
    return float(np.quantile(errors, share)) if len(errors) else 0.0
