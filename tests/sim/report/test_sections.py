"""What sections say is what the runs were: sums are conserved, shares are those of the result."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.sim.report import rates
from moe_cosim.sim.report.machine_graph import machine_graph
from moe_cosim.sim.report.parts import Chart, Part
from moe_cosim.sim.report.reported import ReportedRun, reported_runs
from moe_cosim.sim.report.sections import experts, power, roofline, step
from moe_cosim.sim.report.sections.routing import ran_routing
from moe_cosim.sim.report.sections.stack import MOST, REST, stack
from moe_cosim.workloads.programs.program import SIGNAL


@pytest.fixture(scope="session")
def reported(runs: tuple[Path, Path]) -> list[ReportedRun]:
    return reported_runs(list(runs))


def charts(parts: Sequence[Part]) -> list[Chart]:
    return [part for part in parts if isinstance(part, Chart)]


def test_bytes_over_time_are_those_of_the_result(reported: list[ReportedRun]) -> None:
    for run in reported:
        found = rates.bytes_by_span(run.machine, run.transfers, run.timeline.total_ps // 1000, 50)
        names = [resource.name for resource in run.machine.resources]
        moved = dict(zip(names, found.sum(axis=1), strict=True))
        for memory in run.result.memories:
            assert moved[memory.name] == pytest.approx(memory.read_bytes + memory.written_bytes, rel=1e-9)
        for link in run.result.links:
            assert moved[link.name] == pytest.approx(link.bytes, rel=1e-9)
        assert (found > -1.0).all()
        peaks = np.array([resource.bytes_per_s for resource in run.machine.resources])
        assert found.max() > 0
        assert np.isfinite(peaks).any()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 100), st.integers(0, 10**12)), min_size=1, max_size=9),
    st.integers(1, 40),
)
def test_spans_take_what_overlaps_them(transfers: list[tuple[int, int, int]], spans: int) -> None:
    begin, length, moved = (np.array(column, np.int64) for column in zip(*transfers, strict=True))
    width = 1000 / spans
    found = rates._spread(begin, begin + length, moved, width, spans)
    edges = np.arange(spans + 1) * width
    overlap = np.minimum(edges[1:, None], begin + length) - np.maximum(edges[:-1, None], begin)
    slow = (np.maximum(overlap, 0) * moved / length).sum(axis=1)
    assert found == pytest.approx(slow, rel=1e-9, abs=1e-3 + moved.sum() * 1e-12)


def test_the_graph_has_the_utilizations_of_the_result(reported: list[ReportedRun]) -> None:
    for run, devices in zip(reported, (1, 2), strict=True):
        graph = machine_graph(run.machine, run.result)
        assert [device.depth for device in graph.devices] == [0, 1, 2]
        device = graph.devices[-1]
        assert (device.name, device.count) == ("ndp" if devices == 1 else "ndp*", devices)
        (cores,) = (part for part in device.parts if part.kind == "unit")
        assert cores.use.shares == tuple(unit.utilization for unit in run.result.units if unit.kind == "ndp")
        carried = {link.name: link.utilization for link in run.result.links}
        (far,) = (link for link in graph.links if link.far == device.name)
        assert far.inward is not None
        assert sorted(far.inward.shares) == sorted(
            share for name, share in carried.items() if name.endswith("->cxl.ports") and "gpu" not in name
        )


def test_bars_of_a_step_are_all_the_work_of_its_lanes(reported: list[ReportedRun]) -> None:
    run = reported[1]
    events, timeline = run.timeline.program.events, run.timeline
    for number in (0, 1):
        rows = np.flatnonzero((events["kind"] < SIGNAL) & (run.tags["step"] == number))
        rows = rows[timeline.end_ps[rows] > timeline.start_ps[rows]]
        lasts = timeline.end_ps[rows] - timeline.start_ps[rows]
        spans = step._spans(run, number)
        apart, bars = step._bars(spans, 0), step._bars(spans, 10**12)
        assert len(bars["busy"]) <= len(apart["busy"])
        assert bars["busy"][bars["row"] > 0].sum() == lasts.sum()
        assert bars["count"].sum() == len(spans)
        assert (bars["end"] - bars["begin"] >= bars["busy"]).all()
        (chart,) = charts(step.parts(run, number))[:1]
        assert ("Prefill" if number == 0 else "Decode step 1") in chart.title


def test_the_critical_path_of_all_steps_is_the_run(reported: list[ReportedRun]) -> None:
    for run in reported:
        parts = [spans[spans["row"] == 0] for spans in (step._spans(run, number) for number in range(3))]
        assert sum(int((path["end"] - path["begin"]).sum()) for path in parts) == run.timeline.total_ps
        for path in parts:
            assert (path["begin"][1:] >= path["end"][:-1]).all()


def test_the_step_of_median_length_is_chosen(reported: list[ReportedRun]) -> None:
    assert step._median(np.array([3.0, 1.0, 2.0, 9.0, 8.0])) == 1
    assert step._median(np.zeros(0)) == 0


def test_a_step_that_is_not_there_is_refused(reported: list[ReportedRun]) -> None:
    for number in (-1, 3):
        with pytest.raises(InputError, match=f"--step: found {number}; allowed: 0 to 2"):
            step.parts(reported[0], number)


def test_power_over_time_comes_to_the_energy(reported: list[ReportedRun]) -> None:
    for run in reported:
        (chart,) = charts(power.parts(run))
        (scale,) = (1e-3 for text in ("(ms)",) if text in chart.spec["encoding"]["x"]["title"])
        by_part: dict[str, list[tuple[float, float]]] = {}
        for each in chart.spec["data"]["values"]:
            by_part.setdefault(each["part"], []).append((each["t"], each["watts"]))
        joules = sum(
            (end - begin) * scale * watts
            for values in by_part.values()
            for (begin, watts), (end, _) in pairwise(values)
        )
        assert run.result.energy is not None
        assert joules == pytest.approx(run.result.energy.joules, rel=2e-3)


def test_every_unit_that_computed_has_a_roof(reported: list[ReportedRun]) -> None:
    for run in reported:
        found = charts(roofline.parts(run))
        assert [chart.title.partition(":")[0] for chart in found] == ["GPU SMs", "NDP cores"]
        for chart in found:
            roof, _, points = chart.spec["layer"]
            highest = max(line["y"] for line in roof["data"]["values"])
            marks = points["data"]["values"]
            assert marks
            assert all(0 < mark["y"] <= highest for mark in marks)


def test_maps_count_every_token_of_every_expert(reported: list[ReportedRun]) -> None:
    for run in reported:
        tokens, kinds, *_ = charts(experts.parts(run))
        batch, steps, layers, chosen = 1, 2, 2, 2
        assert sum(value for value in tokens.spec["data"]["values"] if value > 0) == batch * steps * layers * chosen
        ran = [value for value in kinds.spec["data"]["values"] if value >= 0]
        assert len(ran) == sum(value > 0 for value in tokens.spec["data"]["values"])


def test_routing_is_that_of_the_model(reported: list[ReportedRun]) -> None:
    found = ran_routing(reported[0])
    assert found.distinct == 2
    assert found.tokens == found.most_over_mean == 1
    assert found.kept is not None
    assert 0 <= found.kept <= 1
    assert found.curve[0] == 0
    assert found.curve[-1] == pytest.approx(1)
    assert (np.diff(found.curve) >= 0).all()


def test_small_parts_of_a_bar_are_put_together_and_nothing_is_lost() -> None:
    amounts = {run: {f"part {place}": 1.5**place for place in range(14)} for run in ("a", "b")}
    chart = stack("bars", "says", amounts, "J", "energy", str)
    values = chart.spec["data"]["values"]
    assert len(values) == 2 * MOST
    assert {value["part"] for value in values} >= {REST, "part 13"}
    assert sum(value["amount"] for value in values) == pytest.approx(2 * sum(amounts["a"].values()))
