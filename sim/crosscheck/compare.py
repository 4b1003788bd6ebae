"""How far two timelines of one program are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.engines.timeline import TRAFFIC_BOUND, Timeline
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.workloads.programs.program import COPY, STREAM, Program


@dataclass(frozen=True)
class Bounds:
    """What the engines must keep to: event durations over all cases together, and each case's total."""

    median: float = 0.02
    p95: float = 0.05
    total: float = 0.10


@dataclass(frozen=True)
class CaseComparison:
    """One case. Event errors are those of the durations of kernels and copies, against SST's; arrays are [kernels and
    copies].

    A kernel of several events counts once: SST runs it as one. Computes agree by construction and waits follow from the
    rest, so neither is counted.
    """

    name: str
    events: int
    sst_ps: int
    embedded_ps: int
    event_errors: NDArray[np.float64]
    event_ps: NDArray[np.float64]
    """How long each of those events took in SST."""
    sst_wall_s: float
    embedded_wall_s: float
    memory_bound_share: float
    """Of the embedded engine's critical path, what traffic makes as long as it is: memories and links decide it."""
    memory: str = "shares"
    """What timed the memories in SST."""
    refreshed_errors: NDArray[np.float64] | None = None
    """Of the same events on memories that are refreshed, where `event_errors` are of memories that never are."""

    def with_events_of(self, unrefreshed: CaseComparison) -> CaseComparison:
        """Total and path of this run, single events of the one without refreshes; this run's stand beside them."""
        return replace(
            self,
            event_errors=unrefreshed.event_errors,
            event_ps=unrefreshed.event_ps,
            refreshed_errors=self.event_errors,
        )

    @property
    def total_error(self) -> float:
        """Signed: positive where the embedded engine is slower."""
        return self.embedded_ps / self.sst_ps - 1

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it: errors as shares, times in ps."""
        refreshed = self.refreshed_errors
        return {
            "name": self.name,
            "events": self.events,
            "sst_ps": self.sst_ps,
            "embedded_ps": self.embedded_ps,
            "total_error": self.total_error,
            "event_error_median": _quantile(self.event_errors, 0.5),
            "event_error_p95": _quantile(self.event_errors, 0.95),
            **({} if refreshed is None else _said_refreshed(refreshed)),
            "traffic_events": len(self.event_errors),
            "memory_bound_share": self.memory_bound_share,
            "memory": self.memory,
            "sst_wall_s": self.sst_wall_s,
            "embedded_wall_s": self.embedded_wall_s,
        }


@dataclass(frozen=True)
class CrossCheck:
    """All cases against one SST. Arrays are [kernels and copies] of all cases."""

    sst_version: str
    live: bool
    """Whether SST ran now, or its recorded timelines stand for it."""
    cases: list[CaseComparison]
    suite: str = "fed"
    bounds: Bounds = Bounds()

    @property
    def pooled_errors(self) -> NDArray[np.float64]:
        """Event errors of all cases, each event as one."""
        return np.concatenate([case.event_errors for case in self.cases]) if self.cases else np.zeros(0)

    @property
    def refreshed_errors(self) -> NDArray[np.float64]:
        """Of all events on memories that are refreshed; none where no case tells the two apart."""
        found = [case.refreshed_errors for case in self.cases if case.refreshed_errors is not None]
        return np.concatenate(found) if found else np.zeros(0)

    def time_within(self, error: float) -> float:
        """Share of the time of all these events that passes in those which agree within `error`."""
        took_ps = np.concatenate([case.event_ps for case in self.cases]) if self.cases else np.zeros(0)
        agrees = self.pooled_errors <= error
        return float(took_ps[agrees].sum() / took_ps.sum()) if took_ps.any() else 1.0

    def violations(self) -> list[str]:
        """What exceeds its bound, in words; empty when the engines agree."""
        found = []
        for share, bound in ((0.5, self.bounds.median), (0.95, self.bounds.p95)):
            error = _quantile(self.pooled_errors, share)
            if error > bound:
                found.append(f"event errors: {share:.0%} quantile {error:.2%}, allowed {bound:.0%}")
        found += [
            f"{case.name}: total {case.total_error:+.2%}, allowed {self.bounds.total:.0%}"
            for case in self.cases
            if abs(case.total_error) > self.bounds.total
        ]
        return found

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "suite": self.suite,
            "sst_version": self.sst_version,
            "live": self.live,
            "event_error_median": _quantile(self.pooled_errors, 0.5),
            "event_error_p95": _quantile(self.pooled_errors, 0.95),
            **(_said_refreshed(self.refreshed_errors) if len(self.refreshed_errors) else {}),
            "time_within_2_percent": self.time_within(0.02),
            "time_within_10_percent": self.time_within(0.10),
            "violations": self.violations(),
            "cases": [case.as_dict() for case in self.cases],
        }


def compare(
    case: Case,
    machine: Machine,
    program: Program,
    sst: Timeline,
    embedded: Timeline,
    sst_wall_s: float,
    embedded_wall_s: float,
) -> CaseComparison:
    """One case's timelines of the same program; wall times are the engines' own."""
    events = program.events
    traffic = np.flatnonzero(np.isin(events["kind"], (STREAM, COPY)))
    begins = ~((events["kind"] == STREAM) & (events["count"] > 0))[traffic]
    first, last = traffic[begins], traffic[np.roll(begins, -1)]  # the events of a kernel follow each other
    expected = sst.end_ps[last] - sst.start_ps[first]
    found = embedded.end_ps[last] - embedded.start_ps[first]
    some = expected > 0
    return CaseComparison(
        case.name,
        len(program.events),
        sst.total_ps,
        embedded.total_ps,
        np.abs(found[some] - expected[some]) / expected[some],
        expected[some].astype(np.float64),
        sst_wall_s,
        embedded_wall_s,
        memory_bound_share(machine, program, embedded),
        case.memory,
    )


def memory_bound_share(machine: Machine, program: Program, timeline: Timeline) -> float:
    """0 to 1, of the critical path's time; 0 of a timeline that says no bounds."""
    if timeline.bound is None:
        return 0.0
    segments = critical_path(machine, program, timeline).segments
    total_ps = segments["time_ps"].sum()
    return float(segments["time_ps"][segments["bound"] == TRAFFIC_BOUND].sum() / total_ps) if total_ps else 0.0


def _said_refreshed(errors: NDArray[np.float64]) -> dict[str, float]:
    return {
        "refreshed_event_error_median": _quantile(errors, 0.5),
        "refreshed_event_error_p95": _quantile(errors, 0.95),
    }


def _quantile(errors: NDArray[np.float64] | Sequence[float], share: float) -> float:
    return float(np.quantile(errors, share)) if len(errors) else 0.0
