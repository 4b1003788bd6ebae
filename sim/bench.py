"""How fast runs are on this machine: a long sequence, a large batch, and many small runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from moe_cosim.compiling import Stopwatch
from moe_cosim.sim.run import run


@dataclass(frozen=True)
class Benchmark:
    """Runs of one experiment, each with a seed of its own."""

    experiment: str
    settings: Mapping[str, Any]
    runs: int = 1


BENCHMARKS: Final[dict[str, Benchmark]] = {
    "long sequence": Benchmark("cxl-ndp-mixtral-8x22b-3bit", {"workload.output_tokens": 1024}),
    "large batch": Benchmark("trimoe-deepseek-v2", {"workload.batch": 256}),
    "small points": Benchmark(
        "cxl-ndp-deepseek-v2-lite-3bit", {"workload.prompt_tokens": 8, "workload.output_tokens": 4}, runs=50
    ),
}


@dataclass(frozen=True)
class Speed:
    """What one benchmark took, in wall time. Compiling is not in it."""

    name: str
    experiment: str
    points: int
    """Runs."""
    events: int
    tokens: int
    """Generated."""
    wall_s: float
    planning_s: float
    """From the routing to the events."""
    engine_s: float
    measuring_s: float

    @property
    def other_s(self) -> float:
        """Reading the experiment, mostly."""
        return self.wall_s - self.planning_s - self.engine_s - self.measuring_s

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it, with rates per second of wall time."""
        rates = {
            "events_per_s": self.events / self.wall_s,
            "tokens_per_s": self.tokens / self.wall_s,
            "points_per_s": self.points / self.wall_s,
        }
        return {**asdict(self), "other_s": self.other_s, **rates}


def run_benchmark(name: str, benchmark: Benchmark) -> Speed:
    """Its runs one after the other, after a short one."""
    run(benchmark.experiment, {**benchmark.settings, "workload.output_tokens": 2}, keep=())
    watch = Stopwatch()
    results = [
        run(benchmark.experiment, {**benchmark.settings, "seed": seed}, keep=()) for seed in range(benchmark.runs)
    ]
    wall_s = watch.lap_s()
    return Speed(
        name=name,
        experiment=benchmark.experiment,
        points=len(results),
        events=sum(result.events for result in results),
        tokens=sum(round(result.end_to_end_tokens_per_s * result.end_to_end_s) for result in results),
        wall_s=wall_s,
        planning_s=sum(result.lowering_s for result in results),
        engine_s=sum(result.engine_s for result in results),
        measuring_s=sum(result.measuring_s or 0.0 for result in results),
    )
