"""``moe-cosim report``: what it writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from moe_cosim.sim.results.result import Result
from tests.sim.tiny import cli


def refused_report(folder: Path, *runs: object) -> str:
    """The line; nothing is left behind."""
    out = folder / "not-written.html"
    found = cli("report", *runs, "-o", out)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1), (found.output, found.exception)
    assert list(folder.iterdir()) == []
    return found.stderr.removeprefix("moe-cosim: ").rstrip("\n")


@pytest.fixture
def copied(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A run to damage."""
    return Path(shutil.copytree(runs[0], tmp_path / "copied"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_the_file_has_the_figures_of_every_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = cli("report", *runs, "-o", tmp_path / "report.html", "--json")
    assert found.exit_code == 0, found.output
    written = json.loads(found.stdout)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written["of"] == ["tiny", "two devices"]
    assert written["bytes"] == len(text.encode()) < 2e6
    for folder in runs:
        result = Result.load(folder)
        assert f"{result.decode_tokens_per_s:,.0f} tokens/s" in text
        assert result.energy is not None


def test_runs_of_one_name_are_told_apart(runs: tuple[Path, Path], copied: Path) -> None:
    found = cli("report", runs[0], copied, "-o", copied.parent / "report.html", "--json")
    assert json.loads(found.stdout)["of"] == ["one", "copied"]


def test_names_cannot_end_the_script_or_write_html(runs: tuple[Path, Path], copied: Path) -> None:
    saved = json.loads((copied / "result.json").read_text())
    odd = "</script><img src=x onerror=alert(1)>"
    (copied / "result.json").write_text(json.dumps(saved | {"name": odd}))
    cli("report", runs[0], copied, "-o", copied.parent / "report.html")
    text = (copied.parent / "report.html").read_text(encoding="utf-8")
    assert "&lt;img src=x" in text
    assert "<img src=x" not in text


def test_what_an_older_version_did_not_count_is_unknown(copied: Path) -> None:
    saved = json.loads((copied / "result.json").read_text())
    later = ("energy", "energy_components", "energy_purposes", "power_over_time", "software")
    (copied / "result.json").write_text(json.dumps({name: saved[name] for name in saved if name not in later}))
    assert cli("report", copied, "-o", copied.parent / "report.html").exit_code == 0
    text = (copied.parent / "report.html").read_text(encoding="utf-8")
    assert "The energy of tiny is unknown" in text
    assert "J/token" not in text


def test_a_component_without_figures_is_named(copied: Path) -> None:
    saved = json.loads((copied / "result.json").read_text())
    saved["energy"]["unknown"] = ["ndp.core"]
    (copied / "result.json").write_text(json.dumps(saved))
    cli("report", copied, "-o", copied.parent / "report.html")
    assert "unknown, and in no sum: NDP cores" in (copied.parent / "report.html").read_text(encoding="utf-8")


def test_what_is_no_run_is_refused(runs: tuple[Path, Path], copied: Path, empty: Path) -> None:
    missing = refused_report(empty, copied.parent)
    assert missing.startswith(f"{copied.parent}: experiment.yaml: found no such file; allowed: a folder")
    (copied / "result.json").write_text("{")
    assert refused_report(empty, runs[0], copied).startswith(f"{copied}: result.json: found no JSON (line 1: ")
    (copied / "result.json").write_text('{"schema_version": 99}')
    assert "schema version 99" in refused_report(empty, copied)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("units", [], "units: found those of another machine"),
        ("critical_path", None, "critical_path: found NoneType; allowed: rows"),
        ("extrapolation", [], "extrapolation: found list; allowed: a row"),
        ("decode_tokens_per_s", float("nan"), "numbers: found nan"),
        ("end_to_end_s", 1e308, "numbers: found 1e+308"),
        ("power_over_time", {"span_s": 1.0, "watts": {"a": [1.0], "b": []}}, "curves of different lengths"),
        ("power_over_time", {"span_s": 1.0, "watts": {"a": ["x"]}}, "found what is no number"),
    ],
)
def test_a_result_that_no_run_leaves_is_refused(
    copied: Path, empty: Path, field: str, value: object, said: str
) -> None:
    saved = json.loads((copied / "result.json").read_text())
    (copied / "result.json").write_text(json.dumps(saved | {field: value}))
    line = refused_report(empty, copied)
    assert line.startswith(f"{copied}: result.json: ")
    assert said in line


def test_a_step_outside_the_run_is_refused(runs: tuple[Path, Path], empty: Path) -> None:
    assert refused_report(empty, *runs, "--step", 3) == f"{runs[0]}: --step: found 3; allowed: 0 to 2"


def test_a_damaged_timeline_is_refused(copied: Path, empty: Path) -> None:
    (copied / "timeline.zip").write_bytes(b"no archive")
    assert refused_report(empty, copied).startswith(f"{copied / 'timeline.zip'}: file: found")


def test_a_run_that_kept_its_result_alone_has_what_that_is_enough_for(copied: Path) -> None:
    (copied / "timeline.zip").unlink()
    assert cli("report", copied, "-o", copied.parent / "report.html").exit_code == 0
    text = (copied.parent / "report.html").read_text(encoding="utf-8")
    assert text.count("This run kept no program and timeline") == 5
    assert "Power over time" in text


def test_a_file_that_cannot_be_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    found = cli("report", tmp_path, "-o", tmp_path / "there" / "report.html")
    assert found.exit_code == 2
    assert found.stderr.endswith("found no such folder; allowed: a file in a folder that exists\n")


def test_without_the_extra_it_says_which(runs: tuple[Path, Path], empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert refused_report(empty, *runs) == (
        "report: environment: found no vl_convert; allowed: the extra 'report': pip install 'moe-cosim[report]'"
    )
