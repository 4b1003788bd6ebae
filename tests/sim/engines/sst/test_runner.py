"""The runner against a fake `sst` that plays every way a run can end: only a whole one is a result."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.engines.sst import failures
from moe_cosim.sim.engines.sst.folder import Emitted, write_run
from moe_cosim.sim.engines.sst.installation import Installation
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.runner import run_command, run_folder
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program
from tests.sim.engines.sst.machines import switched

MACHINE = switched(1)


def two_devices() -> Program:
    made = ProgramBuilder(MACHINE)
    made.compute("gpu0.core.main", 1000)
    made.signal("gpu0.core.main", 0)
    made.wait("ndp0.core.main", 0)
    return made.build()


@pytest.fixture
def fake(tmp_path: Path) -> Installation:
    program = tmp_path / "bin" / "sst"
    program.parent.mkdir()
    script = Path(__file__).with_name("fake_sst.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Installation(program, program, program, "16.0.0", None, (), None, "")


@pytest.fixture
def emitted(tmp_path: Path) -> Emitted:
    return write_run(tmp_path / "run", MACHINE, two_devices(), 256)


def play(name: str, emitted: Emitted, fake: Installation, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    monkeypatch.setenv("FAKE_SST", name)
    return run_folder(emitted, fake, Path("lib"), SstOptions(time_limit_s=60))


@pytest.mark.parametrize("name", ["success", "success in two ranks"])
def test_a_whole_run_gives_its_times(
    name: str, emitted: Emitted, fake: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = play(name, emitted, fake, monkeypatch)
    assert [list(each["end_ps"]) for each in times] == [[1, 2], [1]]


def test_progress_is_the_share_of_all_events(
    emitted: Emitted, fake: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SST", "success")
    seen: list[float] = []
    run_folder(emitted, fake, Path("lib"), SstOptions(), seen.append)
    assert seen == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("idle", failures.SstDeadlockError, "token 5, 1 of 2 signals"),
        ("idle until stop-at", failures.SstDeadlockError, "token 5, 1 of 2 signals"),
        ("stop-at", failures.SstStopAtError, "37 requests under way"),
        ("exit-after", failures.SstExitAfterError, "60 s of wall time"),
        ("interrupt", failures.SstKilledError, "EMERGENCY SHUTDOWN"),
        ("terminated", failures.SstKilledError, "signal 15"),
        ("killed", failures.SstOutOfMemoryError, "signal 9"),
        ("killed in a rank", failures.SstOutOfMemoryError, "signal 9"),
        ("no memory", failures.SstOutOfMemoryError, "bad_alloc"),
        ("crash", failures.SstCrashedError, "signal 8"),
        ("crash in a rank", failures.SstCrashedError, "signal 8"),
        ("timingDRAM without id", failures.SstCrashedError, "signal 6"),
        ("no library", failures.SstLibraryMissingError, 'unable to find "moecosim"'),
        ("broken library", failures.SstLibraryMissingError, "undefined symbol"),
        ("unknown component", failures.SstBadConfigurationError, "moecosim.Hubb"),
        ("bad unit", failures.SstBadConfigurationError, "Invalid unit type"),
        ("no file", failures.SstBadConfigurationError, "canonicalize"),
        ("nothing ran", failures.SstBadConfigurationError, "no core reported"),
        ("one core silent", failures.SstIncompleteError, "no 'finished' statistic of ndp0.core"),
        ("event without end", failures.SstIncompleteError, "1 of 2 events"),
        ("short timeline", RunError, "bytes in place of"),
    ],
)
def test_every_failure_has_its_name_and_the_last_lines(
    name: str,
    error: type[RunError],
    said: str,
    emitted: Emitted,
    fake: Installation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(error) as raised:
        play(name, emitted, fake, monkeypatch)
    assert type(raised.value) is error
    assert said in str(raised.value)
    assert "MPI_ABORT" not in str(raised.value)
    assert raised.value.exit_code == 1


def test_a_missing_program_is_named(emitted: Emitted, tmp_path: Path) -> None:
    nowhere = Installation(tmp_path / "no" / "sst", tmp_path, tmp_path, "", None, (), None, "")
    with pytest.raises(failures.SstMissingError, match="No such file"):
        run_folder(emitted, nowhere, tmp_path, SstOptions())


def test_command_lines(fake: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOE_COSIM_LAUNCHER", raising=False)
    serial = run_command(fake, Path("/lib"), SstOptions(threads=3, time_limit_s=3661))
    assert serial[0] == str(fake.sst)
    assert {"--num-threads=3", "--exit-after=1:01:01", "--add-lib-path=/lib"} < set(serial)
    assert serial[-1] == "config.py"
    with pytest.raises(failures.SstMissingError, match="mpirun"):
        run_command(fake, Path("/lib"), SstOptions(ranks=2))
    monkeypatch.setenv("MOE_COSIM_LAUNCHER", "srun --exclusive")
    assert run_command(fake, Path("/lib"), SstOptions(ranks=2))[:5] == ["srun", "--exclusive", "-n", "2", serial[0]]


def test_more_threads_than_pieces_are_refused(emitted: Emitted, fake: Installation) -> None:
    assert emitted.graph.pieces() == 3  # two devices and the hub: nothing crosses the switch
    with pytest.raises(InputError, match="2 ranks of 2 threads"):
        run_folder(emitted, fake, Path("lib"), SstOptions(ranks=2, threads=2))


def test_interrupted_here_ends_it_there(emitted: Emitted, tmp_path: Path) -> None:
    """An exception out of the progress callback (Ctrl-C, say) leaves no SST behind."""
    program = tmp_path / "sleeper"
    program.write_text('#!/bin/sh\necho $$ > pid\necho "moecosim progress gpu0.core 1 2"\nexec sleep 60\n')
    program.chmod(0o755)
    sleeper = Installation(program, program, program, "16.0.0", None, (), None, "")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_folder(emitted, sleeper, tmp_path, SstOptions(), interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((emitted.folder / "pid").read_text()), 0)
