import statistics
from pathlib import Path

import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.query.plot import file_name, plot
from moe_cosim.sim.sweep.query.units import label, unit
from moe_cosim.sim.sweep.store.store import Store

SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_each_format_is_that_format_and_the_same_twice(
    computed: tuple[Store, SweepPlan], tmp_path: Path, suffix: str
) -> None:
    for name in ("one", "two"):
        plot(computed[0], "policy.t1", "decode_tokens_per_s", tmp_path / f"{name}{suffix}", hue="workload.batch")
    one = (tmp_path / f"one{suffix}").read_bytes()
    assert one.startswith(SIGNATURES[suffix])
    assert len(one) > 3000
    if suffix != ".pdf":  # a PDF has the time in it
        assert (tmp_path / f"two{suffix}").read_bytes() == one


def test_lines_are_medians_over_seeds_within_their_band(computed: tuple[Store, SweepPlan], tmp_path: Path) -> None:
    store, plan = computed
    figure = plot(store, "policy.t1", "end_to_end_s", tmp_path / "f.svg", hue="workload.batch")
    assert [line.name for line in figure.lines] == ["1", "2"]
    assert figure.mixed == []
    for line in figure.lines:
        assert line.x == [0.2, 0.6]
        for index, t1 in enumerate(line.x):
            ids = [p.id for p in plan.points if p.variant == "plain" and p.settings["policy.t1"] == t1]
            records = [store.record(point_id) for point_id in ids]
            values = [
                record.result["end_to_end_s"]
                for record in records
                if record and record.result and record.experiment["workload"]["batch"] == int(line.name)
            ]
            assert len(values) == 2
            assert line.median[index] == pytest.approx(statistics.median(values))
            assert line.low[index] <= line.median[index] <= line.high[index]
    text = (tmp_path / "f.svg").read_text()
    assert "end to end (s)" in text


def test_axes_that_vary_within_a_median_are_named(computed: tuple[Store, SweepPlan], tmp_path: Path) -> None:
    figure = plot(computed[0], "policy.t1", "end_to_end_s", tmp_path / "f.png")
    assert figure.mixed == ["workload.batch"]
    figure = plot(computed[0], "policy.t1", "end_to_end_s", tmp_path / "f.png", condition='"workload.batch" = 2')
    assert figure.mixed == []


def test_the_front_of_a_pareto_plot(computed: tuple[Store, SweepPlan], tmp_path: Path) -> None:
    figure = plot(
        computed[0], "time_to_first_token_s", "end_to_end_tokens_per_s", tmp_path / "f.png", pareto="upper-left"
    )
    (line,) = figure.lines
    assert len(line.x) == 4  # configurations; each the median of two seeds
    expected = {
        (x, y)
        for x, y in zip(line.x, line.median, strict=True)
        if not any(a <= x and b >= y and (a, b) != (x, y) for a, b in zip(line.x, line.median, strict=True))
    }
    assert set(figure.front) == expected
    assert figure.front == sorted(figure.front)
    assert [y for _, y in figure.front] == sorted(y for _, y in figure.front)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"x": "policy.t"}, "--x"),
        ({"y": "nothing"}, "--y"),
        ({"hue": "nothing"}, "--hue"),
        ({"y": "policy.name"}, "--y"),
        ({"out": "figure.gif"}, "--out"),
        ({"pareto": "middle"}, "--pareto"),
        ({"condition": "seed > 99"}, "--where"),
        ({"condition": "nonsense ((("}, "SQL"),
        ({"x": "policy.name", "pareto": "upper-left"}, "--x"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    computed: tuple[Store, SweepPlan], tmp_path: Path, arguments: dict[str, str], named: str
) -> None:
    chosen = {"x": "policy.t1", "y": "end_to_end_s", "out": str(tmp_path / "f.png"), **arguments}
    with pytest.raises(InputError, match=named) as caught:
        plot(computed[0], **chosen)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there(computed: tuple[Store, SweepPlan], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        plot(computed[0], "policy.t1", "end_to_end_s", tmp_path / "none" / "f.png")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("decode_tokens_per_s", "tokens/s"),
        ("links.a->b.achieved_bytes_per_s", "bytes/s"),
        ("time_to_first_token_s", "s"),
        ("traffic.weights.link_bytes", "bytes"),
        ("units.gpu.sm.utilization", "share"),
        ("workload.prompt_tokens", "tokens"),
        ("workload.batch", None),
    ],
)
def test_units_come_from_names(column: str, expected: str | None) -> None:
    assert unit(column) == expected


def test_labels_show_the_unit_of_quantities() -> None:
    assert label("assumptions.cxl-link-rate", "bytes/s") == "assumptions.cxl-link-rate (bytes/s)"
    assert label("decode_tokens_per_s") == "decode (tokens/s)"
    assert label("workload.batch") == "workload.batch"
    assert "/" not in file_name("a/b", "c d")
