"""A saved program runs again alone, and a folder that is not whole is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import moe_cosim
from moe_cosim.errors import InputError
from moe_cosim.sim.run import run
from tests.sim.tiny import Tiny, cli


@pytest.fixture
def saved(tiny: Tiny) -> Path:
    changes = {"workload.batch": 2, "machine.set.devices.ndp.count": 2, "assumptions.cxl-link-rate": "32 GB/s"}
    run(tiny.path, changes, tiny.folder / "out")
    return tiny.folder / "out"


def test_a_replay_is_equal_to_the_picosecond(saved: Path) -> None:
    found = moe_cosim.replay(saved)
    assert found.equal
    assert found.first_difference is None
    with np.load(saved / "timeline.npz") as timeline:
        assert found.total_ps == found.saved_total_ps == timeline["end_ps"].max()
        assert found.events == len(timeline["end_ps"])


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
    with np.load(saved / "timeline.npz") as timeline:
        start, end = timeline["start_ps"], timeline["end_ps"].copy()
    end[7] += 1
    np.savez_compressed(saved / "timeline.npz", start_ps=start, end_ps=end)
    found = cli("replay", saved, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["first_difference"] == 7
    assert "not equal to the saved timeline" in cli("replay", saved).stdout


def test_a_folder_of_an_older_version_has_times_alone(saved: Path) -> None:
    with np.load(saved / "timeline.npz") as timeline:
        start, end = timeline["start_ps"], timeline["end_ps"]
    np.savez_compressed(saved / "timeline.npz", start_ps=start, end_ps=end)
    assert moe_cosim.replay(saved).equal


def test_a_machine_that_changed_shows(saved: Path) -> None:
    text = (saved / "experiment.yaml").read_text()
    (saved / "experiment.yaml").write_text(text.replace("32 GB/s", "30 GB/s"))
    found = moe_cosim.replay(saved)
    assert not found.equal
    assert found.total_ps > found.saved_total_ps


@pytest.mark.parametrize("name", ["experiment.yaml", "program.zip", "timeline.npz"])
def test_a_folder_without_a_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(InputError, match=f": {name}: found no such file; allowed: a folder that a run"):
        moe_cosim.replay(saved)


@pytest.mark.parametrize("name", ["program.zip", "timeline.npz"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.99])
def test_a_truncated_file_is_refused(saved: Path, name: str, share: float) -> None:
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: int(share * len(whole))])
    found = cli("replay", saved)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert str(saved / name) in found.stderr


@pytest.mark.parametrize("name", ["program.zip", "timeline.npz"])
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


def test_a_timeline_of_another_program_is_refused(saved: Path) -> None:
    np.savez(saved / "timeline.npz", start_ps=np.zeros(3, np.int64), end_ps=np.zeros(3, np.int64))
    with pytest.raises(InputError, match=r"int64 of shape \(3,\); allowed: arrays start_ps and end_ps of \d+ whole"):
        moe_cosim.replay(saved)


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
