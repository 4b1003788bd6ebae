"""What charts hold is what the points say: medians, ratios, means, parts."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.sim.display.ratios import geometric_mean, speed_up
from moe_cosim.sim.display.styles import style
from moe_cosim.sim.figures.charts.bars import Bars, bars_of
from moe_cosim.sim.figures.charts.breakdown import Breakdown, breakdown_of
from moe_cosim.sim.figures.charts.cdf import cdf_of
from moe_cosim.sim.figures.charts.heatmap import heatmap_of
from moe_cosim.sim.figures.charts.lines import lines_of
from moe_cosim.sim.figures.charts.pareto import ParetoChart, Scatter, pareto_of
from moe_cosim.sim.figures.charts.roofline import roofline_of
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.request import CORNERS, FigureRequest
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.kept.durations import kernel_seconds, step_seconds
from moe_cosim.sim.kept.experts import expert_table
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.sweep.query.pareto import pareto_front
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.figures.conftest import MODELS, PURPOSES, SEEDS, SYSTEMS, speed

pytest.importorskip("duckdb")
DECODE = "decode_tokens_per_s"
FULL = "model <> 'qwen3-30b-a3b'"
"""The models that every system has run."""


@pytest.fixture(scope="module")
def tables(store: Store) -> Tables:
    return Tables(store)


def bars(tables: Tables, naming: Naming | None = None, **asked: Any) -> Bars:
    request = FigureRequest(kind="bars", **{"x": "model", "y": DECODE, "hue": "policy.name", **asked})
    return bars_of(tables, request, naming or Naming())[0]


def breakdown(tables: Tables, **asked: Any) -> Breakdown:
    request = FigureRequest(kind="breakdown", **{"x": "policy.name", **asked})
    return breakdown_of(tables, request, Naming())[0]


def test_bars_are_medians_with_the_middle_half(tables: Tables) -> None:
    found = bars(tables)
    assert [one.name for one in found.series] == ["CXL-NDP", "MoNDE", "On demand"]
    assert found.categories == ["Mixtral-8x7B", "Phi-3.5-MoE", "Qwen3-30B-A3B"]
    assert (found.x_label, found.y_label) == ("Model", "Decode throughput (tokens/s)")
    for one, system in zip(found.series, sorted(SYSTEMS), strict=True):
        for spread, model in zip(one.spreads, MODELS, strict=True):
            if (system, model) == ("cxl-ndp", "qwen3-30b-a3b"):
                assert spread is None
            else:
                low, _, high = statistics.quantiles(SEEDS, n=4, method="inclusive")
                assert spread == pytest.approx([speed(system, model) * part for part in (1, low, high)])


def test_bars_against_a_baseline_and_their_geometric_mean(tables: Tables) -> None:
    found = bars(tables, baseline="on-demand", geomean=True, condition=FULL)
    assert (found.categories[-1], found.means, found.reference) == ("Geomean", 1, 1.0)
    assert found.y_label == "Decode throughput, relative to On demand"
    by_name = {one.name: one.heights for one in found.series}
    assert by_name["On demand"] == pytest.approx([1, 1, 1])
    assert by_name["MoNDE"] == pytest.approx([4, 12, 48**0.5])
    assert by_name["CXL-NDP"] == pytest.approx([16, 16, 16])
    assert bars(tables, baseline="On demand", geomean=True, condition=FULL) == found  # as it is shown
    assert bars(tables, baseline="on-demand").series[1].heights == pytest.approx([4, 12, 4])


def test_a_speed_up_of_a_time_is_that_of_the_rate(tables: Tables) -> None:
    rate, time = (bars(tables, y=y, baseline="on-demand", speedup=True) for y in (DECODE, "decode_s"))
    assert rate.y_label == time.y_label == "Speed-up over On demand"
    for one, other in zip(rate.series, time.series, strict=True):
        for height, same in zip(one.heights, other.heights, strict=True):
            assert height == (None if same is None else pytest.approx(same))
    relative = bars(tables, y="decode_s", baseline="on-demand")
    assert relative.series[1].heights[0] == pytest.approx(1 / 4)
    energy = bars(tables, y="energy.joules_per_token", baseline="on-demand", speedup=True)
    assert energy.y_label == "Energy per token: gain over On demand (×)"


def test_without_a_hue_one_category_is_the_baseline(tables: Tables) -> None:
    found = bars(tables, x="policy.name", hue=None, condition="model = 'mixtral-8x7b'", baseline="monde")
    assert found.categories == ["CXL-NDP", "MoNDE", "On demand"]
    assert found.series[0].heights == pytest.approx([4, 1, 0.25])


def test_stacked_bars_are_those_side_by_side(tables: Tables) -> None:
    side, stacked = bars(tables, condition=FULL), bars(tables, condition=FULL, stacked=True)
    assert [one.heights for one in side.series] == [one.heights for one in stacked.series]
    assert stacked.stacked


def test_the_order_is_that_of_the_command_then_the_file_then_numbers_by_size(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("order: [monde]\nvalues: {cxl-ndp: Ours}\ncolumns: {model: ''}\n")
    found = bars(tables, Naming.of(str(path), ["on-demand"]))
    assert [one.name for one in found.series] == ["On demand", "MoNDE", "Ours"]
    assert found.x_label == ""
    assert bars(tables, Naming.of(str(path), ["Ours"])).series[0].name == "Ours"
    assert found.legend_title == ""
    assert bars(tables, hue="seed").legend_title == "Seed"
    rates = bars(tables, x="assumptions.cxl-link-rate", condition="model = 'mixtral-8x7b'")
    assert rates.categories == ["16 GB/s", "32 GB/s", "48 GB/s"]
    assert Naming().ordered(["48 GB/s", "8 GB/s", "16 GB/s"]) == ["8 GB/s", "16 GB/s", "48 GB/s"]
    assert Naming().ordered([10, 9, 1]) == [1, 9, 10]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"baseline": "trimoe"}, "--baseline: found 'trimoe'; allowed: one of cxl-ndp, monde, on-demand"),
        ({"baseline": "cxl-ndp"}, "--baseline: found none for qwen3-30b-a3b"),
        ({"y": "no_such"}, "--y: found 'no_such'"),
        ({"y": "policy.name"}, "--y"),
        ({"hue": "no_such"}, "--hue"),
        ({"speedup": True}, "--speedup: found no --baseline"),
        ({"speedup": True, "baseline": "monde", "y": "experts.hit_rate"}, "neither more nor less is better"),
        ({"geomean": True, "hue": None}, "--geomean: found no --hue"),
        ({"geomean": True}, "--geomean: found no point of cxl-ndp for qwen3-30b-a3b"),
        ({"stacked": True, "baseline": "monde"}, "--stacked"),
        ({"pareto": "upper-left"}, "--pareto: found given with --kind bars"),
        ({"condition": "seed > 99"}, "--where"),
    ],
)
def test_bars_that_cannot_be_are_one_line(tables: Tables, asked: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        bars(tables, **asked)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_order_that_names_nothing_is_refused(tables: Tables) -> None:
    with pytest.raises(InputError, match="--order: found 'MoNDEE'"):
        bars(tables, Naming(order=("MoNDEE",)))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), st.floats(0.1, 10))
def test_a_geometric_mean_is_the_root_of_the_product(values: list[float], factor: float) -> None:
    mean = geometric_mean(values)
    assert mean == pytest.approx(math.prod(values) ** (1 / len(values)), rel=1e-6)
    assert geometric_mean([factor * value for value in values]) == pytest.approx(factor * mean)
    assert geometric_mean([1 / value for value in values]) == pytest.approx(1 / mean)
    with pytest.raises(ValueError, match="no values"):
        geometric_mean([])


def test_better_is_more_of_rates_and_less_of_times() -> None:
    assert speed_up(10.0, 5.0, "tokens/s") == 2.0
    assert speed_up(10.0, 5.0, "s") == 0.5


def test_parts_sum_to_the_mean_whole(tables: Tables) -> None:
    found = breakdown(tables, condition="model = 'mixtral-8x7b'", phase="decode")
    assert [name for _, name in found.bars] == ["CXL-NDP", "MoNDE", "On demand"]
    assert [part.name for part in found.parts] == ["Expert", "Attention", "Head", "Other"]  # the gate is nowhere seen
    assert found.y_label == "Time (s)"
    for index, system in enumerate(sorted(SYSTEMS)):
        whole = statistics.mean(10 / (SYSTEMS[system] * factor) for factor in SEEDS)
        assert sum(part.heights[index] for part in found.parts) == pytest.approx(whole)
        for part, share in zip(found.parts, PURPOSES.values(), strict=True):
            assert part.heights[index] == pytest.approx(whole * share / 10)
    fewer = breakdown(tables, condition="model = 'mixtral-8x7b'", parts=2)
    assert [part.name for part in fewer.parts] == ["Expert", "Other"]


def test_breakdowns_as_shares_against_a_baseline_and_per_token(tables: Tables) -> None:
    share = breakdown(tables, share=True)
    assert [sum(part.heights[bar] for part in share.parts) for bar in range(3)] == pytest.approx([100] * 3)
    clusters = breakdown(tables, x="model", hue="policy.name", baseline="on-demand", condition=FULL)
    totals = {bar: sum(part.heights[at] for part in clusters.parts) for at, bar in enumerate(clusters.bars)}
    assert totals["Phi-3.5-MoE", "MoNDE"] == pytest.approx(1 / 12)
    assert totals["Phi-3.5-MoE", "On demand"] == pytest.approx(1)
    energy = breakdown(tables, of="energy", per="token")
    assert energy.y_label == "Energy per token (J)"
    assert {part.name: part.heights[0] for part in energy.parts} == pytest.approx({"GPU SMs": 0.7, "GPU HBM": 0.3})
    causes = breakdown(tables, of="energy", by="cause", per="step")
    assert {part.name: part.heights[0] for part in causes.parts} == pytest.approx(
        {"Static": 1.5, "Read": 0.75, "Active": 0.25}
    )
    moved = breakdown(tables, of="link-bytes")
    assert (moved.y_label, moved.parts[0].heights[0]) == ("Traffic between devices (GB)", pytest.approx(1))


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"of": "heat"}, "--of: found 'heat'"),
        ({"by": "colour"}, "--by: found 'colour'"),
        ({"of": "energy", "phase": "decode"}, "--phase"),
        ({"phase": "warm-up"}, "--phase: found 'warm-up'"),
        ({"per": "year"}, "--per"),
        ({"baseline": "trimoe"}, "--baseline"),
        ({"share": True, "baseline": "monde"}, "--share"),
        ({"of": "bytes", "by": "memory"}, "--of: found no bytes through memories"),
    ],
)
def test_breakdowns_that_cannot_be_are_one_line(tables: Tables, asked: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        breakdown(tables, **asked)
    assert named in str(caught.value)


def test_lines_join_numbers_and_never_categories(tables: Tables, matplotlib_style: Any) -> None:
    joined, apart = (
        lines_of(tables, FigureRequest(x=x, y=DECODE, hue="policy.name", condition=FULL), Naming())[0]
        for x in ("assumptions.cxl-link-rate", "model")
    )
    assert (joined.categories, joined.x_label) == ([], "CXL link rate (GB/s)")
    assert joined.lines[0].x == pytest.approx([16, 32, 48])
    assert apart.categories == ["Mixtral-8x7B", "Phi-3.5-MoE"]
    for chart, is_joined in ((joined, True), (apart, False)):
        _, axes = matplotlib_style.subplots()
        chart.draw(axes)
        if is_joined:
            assert axes.get_xticks().tolist() == pytest.approx([16, 32, 48])
        drawn = [line for line in axes.lines if len(line.get_xdata()) > 1 and line.get_linestyle() != "None"]
        assert bool(drawn) == is_joined


POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@settings(max_examples=60)
@given(POINTS, st.sampled_from(CORNERS))
def test_the_front_steps_over_what_is_reached_and_no_further(points: list[tuple[int, int]], corner: str) -> None:
    is_left, is_upper = corner.endswith("left"), corner.startswith("upper")
    kept = pareto_front(points, (not is_left, is_upper))
    front = sorted({(float(points[at][0]), float(points[at][1])) for at in kept})
    chart = ParetoChart([Scatter("", style(0), [], [])], front, corner, "", "", ())
    x, y = chart.steps()
    assert all(a == b or c == d for a, b, c, d in zip(x, x[1:], y, y[1:], strict=False))  # no slope
    best = max if is_upper else min
    for left, right, height in zip(x, x[1:], y[1:], strict=False):
        if left < right:
            middle = (left + right) / 2
            reached = [b for a, b in points if (a <= middle if is_left else a >= middle)]
            assert height == best(reached)


def test_a_pareto_chart_has_the_undominated_configurations(tables: Tables) -> None:
    request = FigureRequest(
        kind="pareto", x="energy.joules_per_token", y=DECODE, hue="policy.name", pareto="upper-left"
    )
    chart, _ = pareto_of(tables, request, Naming())
    assert chart.x_label == "Energy per token (mJ/token)"
    every = [at for one in chart.scatters for at in zip(one.x, one.y, strict=True)]
    assert chart.front == [
        at for at in sorted(set(every)) if not any(a <= at[0] and b >= at[1] and (a, b) != at for a, b in every)
    ]


def test_a_distribution_is_exact_at_its_values(store: Store, folder: Path) -> None:
    asked = FigureRequest(kind="cdf", y=DECODE, condition="model = 'mixtral-8x7b'")
    curve = cdf_of(FigureSources.of([store]), asked, Naming())[0].curves[0]
    values = sorted(SYSTEMS[system] * factor for system in SYSTEMS for factor in SEEDS)
    assert curve.value == pytest.approx(values)
    assert curve.share == pytest.approx([100 * (place + 1) / 9 for place in range(9)])
    assert [curve.quantile(share) for share in (0.05, 0.5, 1.0)] == pytest.approx([values[0], values[4], values[8]])
    run = KeptRun.of(folder)
    found = cdf_of(FigureSources.of([folder]), FigureRequest(kind="cdf", of="kernels"), Naming())[0]
    assert sum(one.count for one in found.curves) == sum(map(len, kernel_seconds(run).values()))
    assert all(one.share[-1] == pytest.approx(100) for one in found.curves)
    steps = cdf_of(FigureSources.of([folder]), FigureRequest(kind="cdf", of="steps"), Naming())[0]
    assert steps.curves[0].count == len(step_seconds(run))


def test_heat_maps_of_experts_and_of_columns(store: Store, folder: Path) -> None:
    asked = FigureRequest(kind="heatmap", of="tokens", phase="decode")
    found = heatmap_of(FigureSources.of([folder]), asked, Naming())[0]
    table = expert_table(KeptRun.of(folder), "tokens", "decode")
    for row, numbers in zip(found.cells, table.tolist(), strict=True):
        assert [math.nan if cell is None else cell for cell in row] == pytest.approx(numbers, nan_ok=True)
    columns = FigureRequest(kind="heatmap", x="model", hue="policy.name", y=DECODE)
    found = heatmap_of(FigureSources.of([store]), columns, Naming())[0]
    assert found.cells[0][2] is None
    assert found.cells[1][1] == pytest.approx(speed("monde", "phi-3.5-moe"))


def test_a_roofline_has_every_kernel_under_its_roof(folder: Path) -> None:
    found = roofline_of(FigureSources.of([folder]), FigureRequest(kind="roofline", phase="decode"), Naming())
    assert {unit.name for unit in found.units} == {"GPU SMs", "NDP cores"}
    assert found.y_label == "Rate (Top/s)"
    for point in found.points:
        unit = found.units[point.unit]
        assert point.rate <= 1.001 * min(max(unit.ceilings.values()), unit.bytes_per_s * point.intensity)
    for index in range(len(found.units)):
        assert sum(point.share for point in found.points if point.unit == index) == pytest.approx(1)


def test_runs_stand_beside_the_points_of_a_store(store: Store, folder: Path) -> None:
    tables = FigureSources.of([store, folder]).tables(False)
    found = bars(tables, x="policy.name", hue=None, y=DECODE, condition="variant = 'small' OR model = 'mixtral-8x7b'")
    assert found.categories == ["CXL-NDP", "MoNDE", "On demand"]
    run = KeptRun.of(folder).result
    alone = bars(FigureSources.of([folder]).tables(False), x="variant", hue=None)
    assert alone.categories == ["small"]
    assert alone.series[0].heights == [pytest.approx(run.decode_tokens_per_s)]
    parts = breakdown(FigureSources.of([folder]).tables(False), x="variant", phase="decode")
    assert sum(part.heights[0] for part in parts.parts) == pytest.approx(run.decode_s * 1e3, rel=1e-3)


def test_what_keeps_no_events_is_refused_for_charts_of_them(store: Store, folder: Path, tmp_path: Path) -> None:
    for asked in (FigureRequest(kind="cdf", of="kernels"), FigureRequest(kind="cdf", of="steps")):
        with pytest.raises(InputError, match="keep no events"):
            cdf_of(FigureSources.of([store]), asked, Naming())
    with pytest.raises(InputError, match="keep no events"):
        heatmap_of(FigureSources.of([store, folder]), FigureRequest(kind="heatmap", of="tokens"), Naming())
    with pytest.raises(InputError, match="keep no events"):
        roofline_of(FigureSources.of([store]), FigureRequest(kind="roofline"), Naming())
    with pytest.raises(InputError, match="2 stores"):
        FigureSources.of([store, store])
    with pytest.raises(InputError, match="neither"):
        FigureSources.of([tmp_path])
