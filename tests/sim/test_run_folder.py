"""What a run leaves on disk, and that a failed one leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import moe_cosim
from moe_cosim.errors import InputError, RunError
from moe_cosim.escape import markdown
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.engines.timeline_file import load_timeline
from moe_cosim.sim.results import report
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.workloads.programs.file import load_program
from tests.sim.tiny import Tiny, cli, run_parts

FILES = {"experiment.yaml", "result.json", "summary.md", "timeline.zip", "program.zip"}


@pytest.fixture
def out(tiny: Tiny) -> Path:
    return tiny.folder / "out"


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_leaves_five_files(tiny: Tiny, out: Path) -> None:
    result = run(tiny.path, {"workload.batch": 2}, out)
    assert _names(out) == FILES
    assert _names(tiny.folder) == {"tiny.yaml", "model.json", "out"}
    prepared, timeline, _ = run_parts(tiny.path, {"workload.batch": 2})
    assert load_experiment(out / "experiment.yaml") == prepared.experiment
    assert json.loads((out / "result.json").read_text()) == result.as_dict()
    saved = load_timeline(out / "timeline.zip", len(prepared.program.events))
    for column in ("start_ps", "end_ps", "bound", "last_signal"):
        assert getattr(saved, column).dtype == getattr(timeline, column).dtype
        assert getattr(saved, column).tolist() == getattr(timeline, column).tolist()
    program = load_program(out / "program.zip")
    assert program.lanes == prepared.program.lanes
    for table in ("events", "accesses", "tags"):
        assert getattr(program, table).tobytes() == getattr(prepared.program, table).tobytes()


@pytest.mark.parametrize(
    ("keep", "left_out"),
    [
        ("all", set()),
        ("program", {"timeline.zip"}),
        ("timeline", {"program.zip"}),
        ("result", {"program.zip", "timeline.zip"}),
    ],
)
def test_what_is_kept_is_asked_for(tiny: Tiny, out: Path, keep: str, left_out: set[str]) -> None:
    assert cli("run", tiny.path, "--out", out, "--keep", keep).exit_code == 0
    assert _names(out) == FILES - left_out
    result = Result.load(out)
    if left_out:
        with pytest.raises(
            InputError, match=f"{max(left_out)}|{min(left_out)}: found no such file; allowed: a run that"
        ):
            _ = result.timeline
        assert cli("replay", out).exit_code == 2
    else:
        assert len(result.timeline.start_ps) == result.events


def test_without_a_folder_nothing_can_be_kept_but_in_memory(tiny: Tiny) -> None:
    found = cli("run", tiny.path, "--keep", "program")
    assert (found.exit_code, found.stderr) == (
        2,
        "moe-cosim: --keep: --out: found none; allowed: a folder to keep it in\n",
    )
    assert len(run(tiny.path).timeline.start_ps) == run(tiny.path, keep=()).events
    with pytest.raises(RunError, match="not kept"):
        _ = run(tiny.path, keep=()).timeline
    with pytest.raises(InputError, match=r"run: keep: found 'programs'.*did you mean 'program'"):
        run(tiny.path, keep=("programs",))


def test_times_of_phases_are_told(tiny: Tiny, out: Path) -> None:
    result = run(tiny.path, None, out)
    assert result.measuring_s is not None
    assert result.writing_s is not None
    assert min(result.lowering_s, result.engine_s, result.measuring_s, result.writing_s) > 0
    assert result.wall_s == result.lowering_s + result.engine_s


def test_the_result_names_version_seed_and_assumptions(tiny: Tiny, out: Path) -> None:
    run(tiny.path, {"seed": 5, "assumptions.cxl-link-rate": "32 GB/s"}, out)
    saved = json.loads((out / "result.json").read_text())
    assert (saved["version"], saved["seed"], saved["status"]) == (moe_cosim.__version__, 5, "finished")
    rows = {row["name"]: row for row in saved["assumptions"]}
    assert rows["cxl-link-rate"]["value"] == "32 GB/s"
    assert all(row["source"] and row["range"] for row in rows.values())


def test_the_summary_has_every_memory_link_and_assumption(tiny: Tiny, out: Path) -> None:
    result = run(tiny.path, None, out)
    lines = (out / "summary.md").read_text(encoding="utf-8").splitlines()
    for row in [*result.memories, *result.links, *result.assumptions]:
        assert any(line.startswith(f"| {markdown(row.name)} |") for line in lines)


def test_an_empty_folder_is_filled_and_missing_parents_are_made(tiny: Tiny, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run(tiny.path, None, empty)
    run(tiny.path, None, tmp_path / "a" / "b" / "c")
    assert _names(empty) == _names(tmp_path / "a" / "b" / "c") == FILES
    assert _names(tmp_path / "a" / "b") == {"c"}


def test_a_folder_with_something_in_it_is_refused_before_any_work(
    tiny: Tiny, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    monkeypatch.setattr("moe_cosim.sim.run.prepare_run", lambda _: pytest.fail("worked before it looked"))
    found = cli("run", tiny.path, "--out", out)
    assert found.exit_code == 2
    allowed = "a folder that does not exist yet, or is empty"
    assert found.stderr == f"moe-cosim: --out: {out}: found something there; allowed: {allowed}\n"
    assert (out / "mine.txt").read_text() == "keep"
    assert _names(out) == {"mine.txt"}


@pytest.mark.parametrize("place", ["tiny.yaml", "tiny.yaml/below"])
def test_a_file_in_the_way_is_refused(tiny: Tiny, place: str) -> None:
    before = tiny.path.read_text()
    with pytest.raises(InputError, match="--out"):
        run(tiny.path, None, tiny.folder / place)
    assert tiny.path.read_text() == before


def test_a_run_twice_into_one_folder_is_refused(tiny: Tiny, out: Path) -> None:
    run(tiny.path, None, out)
    before = (out / "result.json").read_text()
    assert cli("run", tiny.path, "--set", "workload.batch=3", "--out", out).exit_code == 2
    assert (out / "result.json").read_text() == before


class _DiskFullError(OSError):
    strerror = "No space left on device"


@pytest.mark.parametrize("wrong", [_DiskFullError(), KeyboardInterrupt(), MemoryError(), ValueError("a defect")])
@pytest.mark.parametrize(
    "at",
    [
        "moe_cosim.sim.run.summary",
        "moe_cosim.sim.engines.timeline_file.TimelineWriter.add",
        "moe_cosim.workloads.programs.file.ProgramWriter.add",
        "moe_cosim.column_file.ColumnWriter.close",
    ],
)
def test_a_failure_while_writing_leaves_nothing(
    tiny: Tiny, wrong: BaseException, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise wrong

    monkeypatch.setattr(at, fail)
    before = _names(tiny.folder)
    with pytest.raises(RunError if isinstance(wrong, OSError) else type(wrong)):
        run(tiny.path, None, tiny.folder / "new" / "out")
    assert _names(tiny.folder) == before


def test_a_failure_leaves_an_empty_folder_as_it_was(tiny: Tiny, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise _DiskFullError

    out.mkdir()
    monkeypatch.setattr("moe_cosim.sim.run.summary", fail)
    found = cli("run", tiny.path, "--out", out)
    assert (found.exit_code, found.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in found.stderr
    assert _names(out) == set()


def test_a_failed_run_leaves_nothing(tiny: Tiny, out: Path) -> None:
    slow = {"machine.set.links.gpu-cxl.peak": "0.000001 B/s"}
    with pytest.raises(RunError, match="13 days"):
        run(tiny.path, slow, out)
    assert _names(tiny.folder) == {"tiny.yaml", "model.json"}


def test_a_parent_that_cannot_be_written_is_one_line(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = cli("run", tiny.path, "--out", tiny.folder / "x")
    assert (found.exit_code, found.stderr.count("\n"), found.stdout) == (1, 1, "")
    assert "is not writable" in found.stderr


def test_a_folder_that_appears_meanwhile_is_not_touched(tiny: Tiny, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run wrote there while this one computed."""
    real = report.summary

    def meanwhile(result: object) -> str:
        out.mkdir()
        (out / "theirs.txt").write_text("keep")
        return real(result)  # type: ignore[arg-type]

    monkeypatch.setattr("moe_cosim.sim.run.summary", meanwhile)
    with pytest.raises(RunError, match="cannot write there"):
        run(tiny.path, None, out)
    assert _names(out) == {"theirs.txt"}
    assert _names(tiny.folder) == {"tiny.yaml", "model.json", "out"}
