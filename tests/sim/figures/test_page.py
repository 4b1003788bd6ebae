"""The printed page: its width, fonts and bars, and the tables that stand in its place."""

from __future__ import annotations

import csv
import io
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.sim.display.styles import style
from moe_cosim.sim.figures.charts.bars import GEOMEAN, Bars, BarSeries
from moe_cosim.sim.figures.charts.breakdown import Breakdown, StackedPart
from moe_cosim.sim.figures.page import SIZES, drawn, print_chart, size_of
from moe_cosim.sim.figures.plot import FigureFile
from moe_cosim.sim.figures.request import KINDS, TORNADO, FigureRequest
from moe_cosim.sim.figures.text_table import FigureTable, tex, three_digits
from tests.sim.tiny import cli

ROOT = Path(__file__).parents[3]
NAMES = ["DeepSeek-MoE-16B", "Mixtral-8x7B", "Qwen3-235B-A22B", GEOMEAN]
CHART = Bars(
    [
        BarSeries(f"System {index}", style(index), [(1.0 + index + place,) * 3 for place in range(4)])
        for index in range(8)
    ],
    NAMES, "Model", "Decode throughput (tokens/s)", False, False, (), means=1, reference=1.0,
)  # fmt: skip


@pytest.fixture
def figure(matplotlib_style: Any) -> Any:
    return drawn(CHART, *size_of("ieee-1", None))


def test_bars_are_as_high_as_their_numbers_and_no_two_look_alike_without_colour(figure: Any) -> None:
    axes = figure.axes[0]
    groups = axes.containers
    assert [[bar.get_height() for bar in group] for group in groups] == [one.heights for one in CHART.series]
    assert len({group.patches[0].get_hatch() for group in groups}) == 8
    assert len({bar.get_hatch() for bar in groups[3]}) == 1
    assert [line.get_ydata()[0] for line in axes.lines] == [1.0]
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for group in groups for bar in group)
    assert all(left[1] <= right[0] + 1e-9 for left, right in pairwise(edges))


def test_nothing_is_cut_off_and_no_names_touch(figure: Any) -> None:
    figure.draw_without_rendering()
    whole, axes = figure.bbox, figure.axes[0]
    texts = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    texts += figure.legends[0].get_texts()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert all(whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1 for box in boxes)
    assert all(whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1 for box in boxes)
    names = axes.get_xticklabels()
    assert [name.get_text().replace("\n", "") for name in names] == NAMES
    if names[0].get_rotation() == 0:
        spans = [name.get_window_extent() for name in names]
        assert all(left.x1 < right.x0 for left, right in pairwise(spans))
    assert len(figure.legends[0].get_texts()) == 8


def test_names_of_groups_do_not_touch(matplotlib_style: Any) -> None:
    bars = [(group, system) for group in NAMES for system in ("On demand", "MoNDE", "Ours")]
    parts = [StackedPart(name, style(index), [1.0] * len(bars)) for index, name in enumerate("ab")]
    chart = Breakdown(parts, bars, "Model", "Time (s)")
    figure = drawn(chart, *size_of("ieee-1", None))
    figure.draw_without_rendering()
    (groups,) = figure.axes[0].child_axes
    spans = [name.get_window_extent() for name in groups.get_xticklabels()]
    assert [name.get_text().replace("\n", "") for name in groups.get_xticklabels()] == NAMES
    assert all(left.x1 < right.x0 for left, right in pairwise(spans))
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[1]]
    assert tops == pytest.approx([2.0] * len(bars))


def test_names_of_any_length_and_letters_are_drawn_or_named(tmp_path: Path, matplotlib_style: Any) -> None:
    def named(*names: str) -> Bars:
        series = [BarSeries(name, style(index), [(1.0, 1.0, 1.0)]) for index, name in enumerate(names)]
        return Bars(series, ["m"], "", "y", False, False, ())

    assert print_chart(named("我", "b"), tmp_path / "f.svg", *size_of("ieee-1", None)) == "我"
    names = ["a name that is longer than " + "the whole column " * 5, "$x_1$ & %", "b"]
    figure = drawn(named(*names), *size_of("ieee-1", None))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().width <= figure.bbox.width
    assert [" ".join(text.get_text().split()) for text in legend.get_texts()] == [name.strip() for name in names]


def test_a_pdf_is_as_wide_as_the_column_with_its_fonts_in_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    print_chart(CHART, tmp_path / "f.pdf", *size_of("acm-1", 2.0))
    data = (tmp_path / "f.pdf").read_bytes()
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert float(box[0]) / 72 == pytest.approx(241.1475 / 72.27, abs=1e-4)
    assert b"/Type3" not in data
    assert b"/CIDFontType2" in data or b"/Subtype /TrueType" in data
    assert b"/FontFile2" in data
    assert b"CreationDate" not in data


def test_widths_are_those_of_the_publishers() -> None:
    assert [round(SIZES[name].width_in, 2) for name in ("ieee-1", "ieee-2", "acm-1", "acm-2")] == [
        3.5,
        7.16,
        3.34,
        7.01,
    ]
    assert all(size.source for size in SIZES.values())


TABLE = FigureTable(
    ("Model", "A & B", "C_1 (µs)"), (("50 %", 1234.5678, 0.5), ("x", 1e9, None), ("Mean", 0.0, 2.0)), "What & why", 1
)


def test_a_table_as_csv_has_every_digit() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows[1:] == [["50 %", "1234.5678", "0.5"], ["x", "1000000000.0", ""], ["Mean", "0.0", "2.0"]]


def test_a_table_as_latex_is_whole(tmp_path: Path) -> None:
    lines = TABLE.latex().splitlines()
    assert lines[0] == r"% What \& why"
    assert lines[2:] == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Model & A \& B & C\_1 (\textmu{}s) \\",
        r"\midrule",
        r"50 \% & 1230 & 0.500 \\",
        r"x & $1.00\times10^{9}$ & -- \\",
        r"\midrule",
        r"Mean & 0 & 2.00 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_three_digits_count() -> None:
    shown = {
        1.0: "1.00",
        9.999: "10.0",
        54.678: "54.7",
        999.6: "1000",
        123456.0: "123000",
        0.05: "0.0500",
        -2.5: "-2.50",
    }
    assert {number: three_digits(number) for number in shown} == shown


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))))
def test_any_name_is_balanced_latex_that_says_it(text: str) -> None:
    found = tex(text)
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\$\\?\^?[\w\\]+\$|--", "", found)
    assert not re.search(r"[&%$#_{}~^\\]", plain)
    assert found.count("{") - found.count(r"\{") == found.count("}") - found.count(r"\}")


def test_the_command_draws_every_kind(store: Any, folder: Path, tmp_path: Path) -> None:
    """Each once, as the file that is the quickest to make; figures of matplotlib are of other tests."""
    pytest.importorskip("duckdb")
    speed = ("--y", "decode_tokens_per_s")
    grid = ("--x", "model", "--hue", "policy.name", *speed)
    full = ("--where", "model <> 'qwen3-30b-a3b'")
    for name, arguments in {
        "lines": (store.path, *grid),
        "pareto": (store.path, "--x", "energy.joules_per_token", *speed, "--pareto", "upper-left"),
        "bars": (store.path, "--kind", "bars", *grid, *full, "--baseline", "on-demand", "--speedup", "--geomean"),
        "breakdown": (store.path, folder, "--kind", "breakdown", "--x", "policy.name", "--of", "energy"),
        "cdf": (folder, "--kind", "cdf", "--of", "kernels", "--by", "unit"),
        "heatmap": (folder, "--kind", "heatmap", "--of", "bits"),
        "roofline": (folder, "--kind", "roofline"),
    }.items():
        for ending in ("csv", "tex"):
            found = cli("plot", *arguments, "--out", tmp_path / f"{name}.{ending}")
            assert found.exit_code == 0, (name, found.output)
            assert found.stdout == f"{tmp_path / name}.{ending}\n"
    rows = list(csv.DictReader((tmp_path / "bars.csv").open()))
    assert [row["Model"] for row in rows] == ["Mixtral-8x7B", "Phi-3.5-MoE", "Geomean"]
    assert float(rows[-1]["MoNDE"]) == pytest.approx(48**0.5)
    assert r"\midrule" + "\nGeomean & " in (tmp_path / "bars.tex").read_text()
    assert {row["Unit"] for row in csv.DictReader((tmp_path / "roofline.csv").open())} == {"GPU SMs", "NDP cores"}


def test_commands_of_the_pages_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def listen(sources: tuple[str, ...], request: FigureRequest, out: str) -> FigureFile:
        asked.append((sources, request))
        return FigureFile(Path(out), CHART, None, "")

    monkeypatch.setattr("moe_cosim.sim.figures.plot.plot", listen)
    for page in ("figures", "sweeps", "quantization"):
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^moe-cosim (plot .*)$", text, re.MULTILINE):
            found = cli(*shlex.split(line, comments=True))
            assert found.exit_code == 0, (line, found.output)
    assert len(asked) >= 12
    assert {request.kind for _, request in asked} == {*KINDS} - {TORNADO}  # which is of another page


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--kind", "pie"), "--kind: found 'pie'"),
        (("--size", "a4"), "--size: found 'a4'"),
        (("--height", "0.1"), "--height"),
        (("--out", "f.gif"), "--out: found 'f.gif'"),
        (("--pareto", "middle"), "--pareto"),
        (("--share",), "--share: found given with --kind lines"),
        (("--labels", "none.yaml"), "none.yaml"),
        (("--order", "nobody"), "--order: found 'nobody'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_nothing(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], named: str
) -> None:
    pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    found = cli("plot", store.path, "--x", "model", "--y", "decode_tokens_per_s", *options)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1), found.output
    assert named in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colours: {}", "colours: found an unknown field; allowed: one of columns, order, values"),
        ("columns: {decode_token_per_s: Speed}", "columns.decode_token_per_s: found an unknown column"),
        ("columns: {units.gpu.sm.heat: Heat}", "columns.units.gpu.sm.heat"),
        ("values: [monde]", "values"),
        ('values: {monde: "two\\nlines"}', "values.monde"),
        ("values: {monde: 3}", "values.monde"),
    ],
)
def test_a_file_of_labels_that_is_wrong_is_one_line(store: Any, tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(text)
    found = cli("plot", store.path, "--x", "model", "--y", "decode_s", "--labels", path, "--out", tmp_path / "f.csv")
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1), found.output
    assert f"{path}: {named}" in found.stderr


def test_a_file_that_cannot_be_written_is_one_line(store: Any, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "file").write_text("")
    for name in ("f.csv", "f.svg"):
        out = tmp_path / "file" / name
        found = cli("plot", store.path, "--x", "model", "--y", "decode_s", "--out", out)
        assert (found.exit_code, found.stderr.count("\n")) == (1, 1), found.output
