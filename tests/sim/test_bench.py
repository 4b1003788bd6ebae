"""``moe-cosim bench``: its figures are those of its runs."""

import json

import pytest

from moe_cosim.sim.bench import BENCHMARKS, Benchmark, run_benchmark
from moe_cosim.sim.run import run
from tests.sim.tiny import Tiny, cli


def test_figures_are_sums_over_the_runs_and_phases_are_the_whole_time(tiny: Tiny) -> None:
    benchmark = Benchmark(str(tiny.path), {"workload.batch": 2, "workload.output_tokens": 5}, runs=3)
    speed = run_benchmark("few", benchmark)
    runs = [run(tiny.path, {**benchmark.settings, "seed": seed}) for seed in range(3)]
    assert (speed.points, speed.tokens) == (3, 3 * 2 * 5)
    assert speed.events == sum(result.events for result in runs)
    phases = (speed.planning_s, speed.engine_s, speed.measuring_s, speed.other_s)
    assert all(phase > 0 for phase in phases)
    assert sum(phases) == pytest.approx(speed.wall_s)


def test_the_command_runs_every_benchmark(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(BENCHMARKS):
        monkeypatch.setitem(BENCHMARKS, name, Benchmark(str(tiny.path), {}))
    rows = json.loads(cli("bench", "--json").stdout)
    assert [row["name"] for row in rows] == list(BENCHMARKS)
    for row in rows:
        assert row["events_per_s"] == pytest.approx(row["events"] / row["wall_s"])
