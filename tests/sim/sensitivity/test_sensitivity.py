"""Every assumption of real (small) runs at the ends of its range, and the command that asks for it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim import run_many
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.sim.sensitivity import Sensitivity, sensitivity
from moe_cosim.sim.sensitivity.vary import vary
from tests.sim.tiny import Tiny, cli, refused

RATE, JOULES = "decode_tokens_per_s", "decode_joules_per_token"
FEW = {"name": "few", "machine": {"use": "h100-host"}, "policy": {"name": "on-demand"}}
"""The same model and routing, which weights are copied for."""

VARIED = (
    "cxl-link-latency", "ndp-bit-scaling", "host-overhead-per-layer", "host-link-rate", "h100-static-power",
    "hbm-energy", "lpddr-background",
)  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Sensitivity]:
    """Near data beside on demand; in one process."""
    tiny = Tiny(tmp_path_factory.mktemp("two"))
    tiny.write_model()
    tiny.write()
    return tiny, sensitivity(tiny.path, None, [_few(tiny)], [RATE, JOULES, "mean_w"], VARIED, workers=1)


def _few(tiny: Tiny) -> Experiment:
    return load_experiment(tiny.path, FEW)


def _figures(experiment: Experiment, **assumptions: Any) -> tuple[float, float]:
    result = run(experiment, {f"assumptions.{name.replace('_', '-')}": at for name, at in assumptions.items()}, keep=())
    assert result.decode_tokens_per_s is not None
    assert result.energy is not None
    assert result.energy.decode_joules_per_token is not None
    return result.decode_tokens_per_s, result.energy.decode_joules_per_token


def test_a_swing_is_what_the_runs_at_the_ends_give(two: tuple[Tiny, Sensitivity]) -> None:
    tiny, found = two
    plain = load_experiment(tiny.path)
    for name, value, other in (("cxl-link-latency", "75 ns", "40 ns"), ("h100-static-power", "120 W", "66 W")):
        (swing,) = [each for each in found.swings(RATE) if each.assumption == name]
        faster, frugal = _figures(plain, **{name: other})
        assert (swing.value, swing.answer) == (value, _figures(plain)[0])
        assert swing.highest == faster
        (joules,) = [each for each in found.swings(JOULES) if each.assumption == name]
        assert (joules.lowest, joules.lowest_at) == (frugal, other)


def test_a_factor_varies_an_assumption_in_both_runs(two: tuple[Tiny, Sensitivity]) -> None:
    tiny, found = two
    both = [_figures(each, host_overhead_per_layer="0 ns") for each in (load_experiment(tiny.path), _few(tiny))]
    (swing,) = [each for each in found.swings(RATE, "few") if each.assumption == "host-overhead-per-layer"]
    assert both[0][0] / both[1][0] in (swing.lowest, swing.highest)
    (swing,) = [each for each in found.swings(JOULES, "few") if each.assumption == "host-overhead-per-layer"]
    assert both[1][1] / both[0][1] in (swing.lowest, swing.highest)


def test_what_was_asked_for_is_varied_and_nothing_fails(two: tuple[Tiny, Sensitivity]) -> None:
    _, found = two
    assert {each.assumption for each in found.swings(RATE, "few")} == set(VARIED)
    assert {each.assumption for each in found.swings(RATE)} == set(VARIED) - {"host-link-rate"}
    assert found.failed == []


def test_what_only_takes_energy_moves_no_rate(two: tuple[Tiny, Sensitivity]) -> None:
    rates = {each.assumption: each.swing for each in two[1].swings(RATE)}
    joules = {each.assumption: each.swing for each in two[1].swings(JOULES)}
    for name in ("h100-static-power", "hbm-energy", "lpddr-background"):
        assert rates[name] == 0
        assert joules[name] > 0


def test_what_was_found_is_kept(two: tuple[Tiny, Sensitivity], tmp_path: Path) -> None:
    two[1].save(tmp_path)
    assert Sensitivity.load(tmp_path) == two[1]
    file = tmp_path / "sensitivity.json"
    whole = json.loads(file.read_text())
    for damage in ({"format": 9}, {"runs": [{"experiment": "a"}]}, {"not_varied": 3}, {"odd": 1}):
        file.write_text(json.dumps(whole | damage))
        with pytest.raises(InputError, match=r"sensitivity.json: found .*; allowed: "):
            Sensitivity.load(tmp_path)
    file.write_text("{")
    with pytest.raises(InputError, match=r"found no JSON .*; allowed: the folder of a run with --sensitivity"):
        Sensitivity.load(tmp_path)


def test_swings_as_a_frame(two: tuple[Tiny, Sensitivity]) -> None:
    pytest.importorskip("pandas")
    frame = two[1].to_frame()
    assert len(frame) == len(two[1].all_swings())
    assert frame.iloc[0].assumption == two[1].swings(RATE)[0].assumption


# -- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with one assumption elsewhere give the result as it is, but for the rate; one of them fails."""
    known: dict[str, Result] = {}

    def stand_in(experiment: Experiment, **_: object) -> Result:
        if experiment.name not in known:
            known[experiment.name] = run(experiment.with_settings({"assumptions": {}}), keep=())
        as_it_is = known[experiment.name]
        ((name, value),) = experiment.assumptions.items() or [("", "")]
        if (name, value) == ("dram-queue", 32):
            raise RunError("a deadlock at 32")
        assert as_it_is.decode_tokens_per_s is not None
        faster = {"64 B": 0.5, "4 KiB": 2.0}.get(str(value), 1.0) if name == "memory-interleave" else 1.0
        return replace(as_it_is, decode_tokens_per_s=as_it_is.decode_tokens_per_s * faster)

    monkeypatch.setattr(run_many, "run", stand_in)


def test_the_command_says_what_moves_the_answer_most(quick: None, tiny: Tiny) -> None:
    out = tiny.folder / "out"
    found = cli("run", tiny.path, "--sensitivity", "--workers", 1, "--out", out)
    assert found.exit_code == 0, found.output
    answer, bound, moved, *rest = found.stdout.splitlines()
    assert answer.startswith("answer: ")
    assert bound.startswith("bound by: ")
    assert moved.startswith("moved most by: memory-interleave (decode throughput from ")
    assert "64 B" in moved
    assert "4 KiB" in moved
    assert "failed, tiny: dram-queue at 32: a deadlock at 32" in rest
    bars = [line for line in rest if "░" in line and "memory-interleave" in line]
    assert bars
    assert "█" in bars[0]
    assert " more runs, 1 at a time, about " in found.stderr
    kept = Sensitivity.load(out)
    assert [(run.assumption, run.value) for run in kept.failed] == [("dram-queue", 32)]
    assert Result.load(out).name == "tiny"


def test_the_same_rows_as_csv_and_json(quick: None, tiny: Tiny) -> None:
    asked = ("run", tiny.path, "--sensitivity", "--workers", 1, "--metric", "end_to_end_s", "--metric", RATE)
    rows = list(csv.DictReader(cli(*asked, "--csv", "--table", "sensitivity").stdout.splitlines()))
    document = json.loads(cli(*asked, "--json").stdout)
    swings = document["sensitivity"]["swings"]
    assert document["name"] == "tiny"
    assert list(dict.fromkeys(row["metric"] for row in rows)) == ["end_to_end_s", RATE]
    assert [(row["assumption"], float(row["lowest"])) for row in rows] == [
        (swing["assumption"], swing["lowest"]) for swing in swings
    ]
    (queue,) = [row for row in rows if row["assumption"] == "dram-queue" and row["metric"] == RATE] or [{}]
    assert queue == {}, "its only other value failed"


def test_every_assumption_of_both_runs_is_varied_or_said(quick: None, tiny: Tiny) -> None:
    found = sensitivity(tiny.path, None, [_few(tiny)], workers=1)
    used = {row.name for each in (load_experiment(tiny.path), _few(tiny)) for row in run(each, keep=()).assumptions}
    said = {each.assumption for each in found.swings(RATE, "few")}
    assert said | {run.assumption for run in found.failed} == used
    assert found.not_varied == []


def test_nothing_to_vary_is_refused(tiny: Tiny) -> None:
    experiment = load_experiment(tiny.path)
    result = run(experiment, keep=())
    with pytest.raises(InputError, match=r"tiny\.yaml: found no assumption with a range; allowed: "):
        vary(experiment, replace(result, assumptions=[]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sensitivity", "--metric", "speed"), "--metric: metric: found 'speed'; allowed: one of "),
        (("--metric", "joules"), "command line: --metric: found no --sensitivity; allowed: both, or neither"),
        (("--against", "hobbit-mixtral-8x7b"), "command line: --against: found no --sensitivity; allowed: "),
        (("--only", "hbm-energy"), "command line: --only: found no --sensitivity; allowed: both, or neither"),
        (("--workers", "2"), "command line: --workers: found no --sensitivity; allowed: both, or neither"),
        (("--table", "sensitivity"), "command line: --table sensitivity: found no --sensitivity; allowed: "),
        (("--sensitivity", "--against", "nowhere"), "nowhere: experiment: found no such file or name; allowed: "),
    ],
)
def test_bad_options_are_one_line(tiny: Tiny, options: tuple[str, ...], said: str) -> None:
    assert refused(tiny, *options).startswith(said)


def test_a_run_beside_itself_is_one_line(tiny: Tiny) -> None:
    line = refused(tiny, "--sensitivity", "--against", tiny.path)
    assert line.endswith("found another tiny; allowed: experiments of different names")


def test_an_assumption_that_no_run_makes_is_one_line(tiny: Tiny) -> None:
    found = cli("run", tiny.path, "--sensitivity", "--only", "hbm-energi")
    assert found.exit_code == 2
    assert "--only: assumption: found 'hbm-energi'; allowed: one of " in found.stderr
    assert "(did you mean 'hbm-energy'?)" in found.stderr


def test_a_metric_that_the_run_does_not_have_is_one_line(tiny: Tiny) -> None:
    found = cli("run", tiny.path, "--sensitivity", "--metric", "delta_loss")
    assert found.exit_code == 2
    assert "--metric: tiny: found 'delta_loss'; allowed: what this run has: decode_tokens_per_s, " in found.stderr
