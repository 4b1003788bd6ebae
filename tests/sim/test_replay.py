"""A saved program runs again alone, and a folder that is not whole is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import moe_cosim
from moe_cosim.assumptions import Assumptions
from moe_cosim.column_file import ColumnWriter
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.engines.timeline_file import TimelineWriter, load_timeline
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.run import run
from tests.sim.tiny import Tiny, cli

OLD = Path(__file__).parent / "data" / "run-of-schema-1"
"""Left by a run of version 0.1.0 before program and timeline were kept in columns."""


def save_timeline(folder: Path, timeline: RunTimeline) -> None:
    writer = TimelineWriter(folder / "timeline.zip", len(timeline.program.lanes))
    writer.add(timeline, timeline.program.lane_starts)
    writer.close()


@pytest.fixture
def saved(tiny: Tiny) -> Path:
    changes = {"workload.batch": 2, "machine.set.devices.ndp.count": 2, "assumptions.cxl-link-rate": "32 GB/s"}
    run(tiny.path, changes, tiny.folder / "out")
    return tiny.folder / "out"


def test_a_replay_is_equal_to_the_picosecond(saved: Path) -> None:
    found = moe_cosim.replay(saved)
    assert found.equal
    assert found.first_difference is None
    timeline = Result.load(saved).timeline
    assert found.total_ps == found.saved_total_ps == timeline.end_ps.max()
    assert found.events == len(timeline.end_ps)


def test_a_replay_needs_neither_model_nor_policy(tiny: Tiny, saved: Path) -> None:
    (tiny.folder / "model.json").unlink()
    text = (saved / "experiment.yaml").read_text().replace("name: cxl-ndp", "name: nobody's")
    (saved / "experiment.yaml").write_text(text)
    assert moe_cosim.replay(saved).equal


def test_the_command_says_the_total(saved: Path) -> None:
    found = cli("replay", saved)
    assert found.exit_code == 0
    assert f"{moe_cosim.replay(saved).total_ps:,} ps" in found.stdout
    assert "equal to the saved timeline" in found.stdout
    printed = json.loads(cli("replay", saved, "--engine", "embedded", "--json").stdout)
    assert printed["equal"] is True
    assert printed["engine"] == "embedded"


def test_a_timeline_that_differs_is_exit_code_1(saved: Path) -> None:
    timeline = Result.load(saved).timeline
    timeline.end_ps[7] += 1
    save_timeline(saved, timeline)
    found = cli("replay", saved, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["first_difference"] == 7
    assert "not equal to the saved timeline" in cli("replay", saved).stdout


def test_a_folder_of_an_older_version_has_times_alone(saved: Path) -> None:
    timeline = Result.load(saved).timeline
    np.savez_compressed(saved / "timeline.npz", start_ps=timeline.start_ps, end_ps=timeline.end_ps)
    (saved / "timeline.zip").unlink()
    assert moe_cosim.replay(saved).equal
    assert Result.load(saved).timeline.bound is None


def test_a_folder_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Its program is three deflated tables, its timeline an .npz archive; its result says less of wall time."""
    shutil.copytree(OLD, tmp_path / "old")
    result = Result.load(tmp_path / "old")
    assert (result.measuring_s, result.writing_s) == (None, None)
    assert result.events == len(result.timeline.start_ps) == len(result.timeline.program.events)
    path = critical_path(
        machine_of(load_experiment(OLD / "experiment.yaml"), Assumptions()), result.timeline.program, result.timeline
    )
    assert path.rows() == result.critical_path
    replayed = moe_cosim.replay(tmp_path / "old")  # memories were given shares then, and have timings now
    assert replayed.total_ps == pytest.approx(replayed.saved_total_ps, rel=1e-5)
    assert cli("compare", tmp_path / "old", OLD).exit_code == 0


def test_a_timeline_without_bounds_is_kept_too(saved: Path) -> None:
    timeline = Result.load(saved).timeline
    save_timeline(saved, replace(timeline, bound=None, last_signal=None))
    assert Result.load(saved).timeline.last_signal is None
    assert moe_cosim.replay(saved).equal


def test_a_machine_that_changed_shows(saved: Path) -> None:
    text = (saved / "experiment.yaml").read_text()
    (saved / "experiment.yaml").write_text(text.replace("32 GB/s", "30 GB/s"))
    found = moe_cosim.replay(saved)
    assert not found.equal
    assert found.total_ps > found.saved_total_ps


@pytest.mark.parametrize("name", ["experiment.yaml", "program.zip", "timeline.zip"])
def test_a_folder_without_a_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(InputError, match=f": {name}: found no such file; allowed: a .*run"):
        moe_cosim.replay(saved)


@pytest.mark.parametrize("name", ["program.zip", "timeline.zip"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.99])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: int(share * len(whole))])
    found = cli("replay", saved)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert str(saved / name) in found.stderr


@pytest.mark.parametrize("name", ["program.zip", "timeline.zip"])
def test_no_single_byte_turned_goes_unnoticed_or_ends_in_a_traceback(saved: Path, name: str) -> None:
    """Checksums of the archive, or the checks behind them, catch it; dates and the like may differ."""
    whole = (saved / name).read_bytes()
    for place in range(0, len(whole), max(len(whole) // 40, 1)):
        (saved / name).write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = cli("replay", saved)
        assert found.exit_code in (0, 2)
        assert found.stderr.count("\n") == (1 if found.exit_code else 0)
        assert isinstance(found.exception, SystemExit | None)


def test_pickled_tables_are_refused(saved: Path) -> None:
    np.savez(saved / "timeline.npz", start_ps=np.array([{"a": 1}], dtype=object), end_ps=np.zeros(1))
    with pytest.raises(InputError, match="allow_pickle"):
        moe_cosim.replay(saved)


def test_an_old_timeline_of_another_program_is_refused(saved: Path) -> None:
    np.savez(saved / "timeline.npz", start_ps=np.zeros(3, np.int64), end_ps=np.zeros(3, np.int64))
    with pytest.raises(InputError, match=r"int64 of shape \(3,\); allowed: arrays start_ps and end_ps of \d+ whole"):
        moe_cosim.replay(saved)


def test_a_timeline_of_another_program_is_refused(saved: Path, tiny: Tiny) -> None:
    run(tiny.path, None, tiny.folder / "other")
    shutil.copy(tiny.folder / "other" / "timeline.zip", saved)
    with pytest.raises(
        InputError, match=r"events: found \d+; allowed: a file written as 'moe-cosim timeline 2' of \d+"
    ):
        moe_cosim.replay(saved)


def test_a_program_is_no_timeline(saved: Path) -> None:
    shutil.copy(saved / "program.zip", saved / "timeline.zip")
    with pytest.raises(InputError, match=r"timeline\.zip: format: found 'moe-cosim program 2'"):
        moe_cosim.replay(saved)


GOOD = {"lane_events": [2], "idle_ps": [0, 0], "took_ps": [5, 7], "bound": [0, 2], "waits": [1], "signal": [-1]}


@pytest.mark.parametrize(
    "change",
    [
        {"lane_events": [3]},
        {"lane_events": [-2]},
        {"lane_events": [2**40]},
        {"idle_ps": [0]},
        {"took_ps": [5, 7, 9]},
        {"waits": [2]},
        {"waits": [0, 1]},
        {"signal": [1]},
        {"bound": [0]},
        {"took_ps": None},
        {"signal": None},
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, list[int] | None]) -> None:
    for name, columns in (("good", GOOD), ("bad", GOOD | change)):
        writer = ColumnWriter(tmp_path / name, {"format": "moe-cosim timeline 2"})
        kinds = {"bound": np.uint8}
        writer.add(
            {key: np.array(value, kinds.get(key, np.int64)) for key, value in columns.items() if value is not None}
        )
        writer.close()
    assert load_timeline(tmp_path / "good", 2).end_ps.tolist() == [5, 12]
    with pytest.raises(InputError, match="moe-cosim timeline 2") as refused:
        load_timeline(tmp_path / "bad", 2)
    assert "\n" not in str(refused.value)


def test_a_program_of_another_machine_is_refused(saved: Path) -> None:
    text = (saved / "experiment.yaml").read_text()
    (saved / "experiment.yaml").write_text(text.replace("devices.ndp.count: 2", "devices.ndp.count: 3"))
    with pytest.raises(InputError, match="lanes"):
        moe_cosim.replay(saved)


@pytest.mark.parametrize("folder", ["nothing-here", "tiny.yaml", "."])
def test_what_is_no_run_folder_is_refused(tiny: Tiny, folder: str) -> None:
    found = cli("replay", tiny.folder / folder)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)


def test_an_unknown_engine_is_refused(saved: Path) -> None:
    found = cli("replay", saved, "--engine", "embeded")
    assert found.exit_code == 2
    assert "did you mean 'embedded'?" in found.stderr
