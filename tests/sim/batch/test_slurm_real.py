"""Arrays on a real Slurm: what ends them, and what the store holds afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import moe_cosim
from moe_cosim.sim.batch.base import JobState
from moe_cosim.testing.scheduler.sweeping import NASTY, Sweeping, wait_for
from tests.sim.batch.slurm_cluster import CPUS, SlurmCluster
from tests.sim.tiny import Tiny

SECONDS = 120.0
TOKENS = 800

_NEVER_ENDING = """\
#!{python} -I
import pathlib, signal, time
signal.signal(signal.SIGUSR1, lambda number, frame: pathlib.Path("told").open("a").write("told\\n"))
while True:
    time.sleep(1)
"""


@pytest.fixture(scope="module", autouse=True)
def hanging(slurm: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeping]:
    """An element that never ends by itself, submitted before all others: a time limit is a minute at least."""
    sweeping = Sweeping(tmp_path_factory.mktemp("hanging")).write(points=2)
    python = sweeping.folder / "never ending"
    python.write_text(_NEVER_ENDING.format(python=sys.executable))
    python.chmod(0o755)
    site = sweeping.site(scheduler="slurm", partition="urgent", python=str(python))
    sweeping.submit("--site", site, "--chunk", 2, "--time", "1", "--warning", 25)
    return sweeping


@pytest.fixture
def sweeping(tmp_path: Path) -> Sweeping:
    return Sweeping(tmp_path)


def virtual_environment(folder: Path, more: str | None = None) -> Path:
    """What activates a new one, with this package in it, or with a copy that has `more` in one of its files."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    place = Path(moe_cosim.__file__).parent.parent
    if more is not None:
        shutil.copytree(place / "moe_cosim", packages / "moe_cosim", ignore=shutil.ignore_patterns("__pycache__"))
        with (packages / "moe_cosim" / "sim" / "run.py").open("a") as file:
            file.write(more)
    (packages / "own.pth").write_text(f"{place}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "activate"


def ended(sweeping: Sweeping) -> bool:
    """The array and the job that collects have left the queue."""
    record = sweeping.submissions()[-1].record()
    listed = subprocess.run(
        ["squeue", "--noheader", f"--jobs={','.join(record.job_ids + record.collect_ids)}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return not listed.stdout.strip()


def wait_until_ended(sweeping: Sweeping) -> None:
    wait_for(lambda: ended(sweeping), SECONDS, sweeping.document)


def as_they_begin(sweeping: Sweeping, actions: dict[int, Callable[[], object]]) -> None:
    """Do each element's action as soon as the store has its first point."""
    submission = sweeping.submissions()[-1]
    points = {index: set(submission.element_points(index)) for index in actions}

    def all_done() -> bool:
        finished = sweeping.store.finished_ids()
        for index in [index for index in actions if points[index] & finished]:
            actions.pop(index)()
        return not actions

    wait_for(all_done, SECONDS, sweeping.document)


def log(sweeping: Sweeping, name: object) -> str:
    return sweeping.submissions()[-1].log(str(name)).read_text()


def pid_of(sweeping: Sweeping, index: int) -> int:
    """The process of an element, found by its working folder and its index."""
    folder = str(sweeping.submissions()[-1].folder)
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[-3:] == [b".", str(index).encode(), b""] and os.readlink(entry / "cwd") == folder:
                return int(entry.name)
        except (OSError, ValueError):
            continue
    raise AssertionError(f"no process of element {index}")


def test_an_array_and_what_collects_it_whatever_the_names(slurm: SlurmCluster, tmp_path: Path) -> None:
    sweeping = Sweeping(tmp_path, NASTY).write(points=5)
    sweeping.submit("--scheduler", "slurm", "--chunk", 2, "--time", "5")
    assert len(sweeping.view().seen) == 3
    wait_until_ended(sweeping)
    document = sweeping.document()
    assert document["elements"] == {"done": 3}
    assert document["points"] == {"finished": 5, "failed": 0, "missing": 0}
    assert document["to_resume"] == 0
    assert 50e6 < document["peak_bytes"] < document["estimated_bytes"]
    assert "peak memory " in log(sweeping, 1)
    assert " and " in sweeping.run("status", sweeping.path).split("an element: up to ")[1].split(";")[0]
    assert list((sweeping.path / "parts").glob("part-*.parquet")), "the collecting job has compacted the store"
    assert not list(tmp_path.rglob("pwned"))
    assert "nothing to submit" in sweeping.run("submit", sweeping.sweep, "--out", sweeping.path, "--scheduler", "slurm")
    assert "nothing to resume" in sweeping.run("resume", sweeping.path)
    assert len(sweeping.submissions()) == 1


@pytest.mark.slow  # Slurm does by itself what the next test asks it to
def test_preempted_by_a_job_of_higher_priority(slurm: SlurmCluster, sweeping: Sweeping) -> None:
    sweeping.write(points=10, tokens=TOKENS)
    sweeping.submit("--scheduler", "slurm", "--chunk", 10, "--time", "10")

    def take_the_node() -> None:
        """Every processor but those of urgent jobs, which are not preempted; once the sweep runs, they do, too."""
        busy = slurm.output("squeue", "--noheader", "--partition=urgent", "--states=RUNNING", "--format=%C").split()
        tasks = CPUS - sum(int(each) for each in busy)
        slurm.output("sbatch", "--partition=urgent", f"--ntasks={tasks}", "--output=/dev/null", "--wrap=sleep 1")

    as_they_begin(sweeping, {1: take_the_node})
    wait_for(lambda: sweeping.view().state(1).state is JobState.PENDING, SECONDS, sweeping.document)
    wait_until_ended(sweeping)
    assert " 0 were there" not in log(sweeping, 1).splitlines()[-1]
    assert sweeping.document()["elements"] == {"done": 1}
    assert sweeping.finished() == 10


def test_requeued_killed_cancelled_and_warned_elements_and_what_resumes(
    slurm: SlurmCluster, sweeping: Sweeping
) -> None:
    sweeping.write(points=32, tokens=TOKENS)
    submission = sweeping.submit("--scheduler", "slurm", "--chunk", 8, "--time", "10")
    job = submission.record().job_ids[0]
    as_they_begin(
        sweeping,
        {
            1: lambda: slurm.output("scontrol", "requeue", f"{job}_1"),
            2: lambda: os.kill(pid_of(sweeping, 2), signal.SIGKILL),
            3: lambda: slurm.output("scancel", f"{job}_3"),
            # to the batch process alone, as --signal=B:USR1 does before the time limit
            4: lambda: slurm.output("scancel", "--batch", "--signal=USR1", f"{job}_4"),
        },
    )
    wait_until_ended(sweeping)
    view = sweeping.view()
    assert view.state(2).state is JobState.FAILED
    assert view.state(3).state is JobState.CANCELLED
    assert "stopped by SIGTERM" in log(sweeping, 3)
    assert "stopped by SIGUSR1" in log(sweeping, 4)
    assert "to be requeued" in log(sweeping, 4)
    assert "not requeued" not in log(sweeping, 4)
    document = sweeping.document()
    assert document["elements"] == {"done": 2, "failed": 1, "cancelled": 1}
    finished = sweeping.store.finished_ids()
    assert set(submission.element_points(1) + submission.element_points(4)) <= finished
    for element in (1, 4):
        last = log(sweeping, element).splitlines()[-1]
        assert " 0 left" in last
        assert " 0 were there" not in last, "a requeued element skips what it had stored"
    kept = sweeping.stamps()
    assert 17 <= len(kept) < 32, "what the killed and the cancelled had finished is kept"
    assert document["to_resume"] == 32 - len(kept)

    sweeping.run("resume", sweeping.path, "--chunk", 32)
    assert len(sweeping.submissions()[-1].point_ids()) == 32 - len(kept), "only what was missing"
    assert "nothing to resume" in sweeping.run("resume", sweeping.path), "it is under way"
    wait_until_ended(sweeping)
    stamps = sweeping.stamps()
    assert len(stamps) == 32
    assert {point: stamps[point] for point in kept} == kept, "nothing was computed twice"


def test_cancelled_as_a_whole_then_resumed_with_another_site(slurm: SlurmCluster, sweeping: Sweeping) -> None:
    sweeping.write(points=12, tokens=TOKENS)
    sweeping.submit("--scheduler", "slurm", "--chunk", 4, "--time", "10")
    wait_for(lambda: sweeping.finished() >= 1, SECONDS, sweeping.document)
    assert "cancelled" in sweeping.run("cancel", sweeping.path)
    wait_until_ended(sweeping)
    document = sweeping.document()
    assert document["elements"]["cancelled"] >= 1
    assert not (sweeping.path / "parts").exists() or not list((sweeping.path / "parts").iterdir()), "nothing collects"
    assert "nothing waits or runs" in sweeping.run("cancel", sweeping.path)
    kept = sweeping.finished()
    # two workers in each element, and srun for ranks
    ranks = 'srun --ntasks=2 --overlap printenv SLURM_PROCID > "ranks $index"'
    site = sweeping.site(
        scheduler="slurm", **{"cpus-per-task": 2}, ntasks=2, lines=["set -e", ranks], launcher="srun --overlap"
    )
    sweeping.run("resume", sweeping.path, "--site", site, "--chunk", 12)
    submission = sweeping.submissions()[-1]
    assert len(submission.point_ids()) == 12 - kept
    wait_until_ended(sweeping)
    assert "4 workers" in log(sweeping, 1), "all cores of its two tasks"
    assert sorted((submission.folder / "ranks 1").read_text().split()) == ["0", "1"]
    assert sweeping.finished() == 12


def test_an_environment_decides_and_a_store_that_is_gone_is_said(
    slurm: SlurmCluster, sweeping: Sweeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeping.write(points=2)
    same, other = virtual_environment(tmp_path / "same"), virtual_environment(tmp_path / "other", "steps = 2\n")
    site = sweeping.site(scheduler="slurm", lines=[f"source {other}"])
    refused = sweeping.submit("--site", site, "--chunk", 2)
    wait_until_ended(sweeping)
    (line,) = log(sweeping, 1).splitlines()
    assert f"{tmp_path / 'other'}/bin/python3: found version " in line
    assert sweeping.view().state(1).state is JobState.FAILED
    assert sweeping.document()["points"] == {"finished": 0, "failed": 0, "missing": 2}
    assert not [path for name in ("aside", "failed", "points") for path in (sweeping.path / name).rglob("*")]
    assert refused.log("collect").read_text().splitlines()[0].endswith("names another")

    site = sweeping.site(scheduler="slurm", lines=[f"source {same}"], options=["--hold"])
    (home := tmp_path / "home").mkdir()
    with monkeypatch.context() as patch:  # compiled code is kept in the other one
        patch.setenv("HOME", str(home))
        held = sweeping.submit("--site", site, "--chunk", 2)
    record = held.record()
    gone = sweeping.path.rename(tmp_path / "gone")
    slurm.output("scontrol", "release", ",".join(record.job_ids + record.collect_ids))
    lost = home / f"moe-cosim-{held.id}-1.log"
    wait_for(lambda: lost.exists() and bool(lost.read_text()), SECONDS)
    assert f"no store here, or its log/1.log cannot be written: {held.folder}" in lost.read_text()
    wait_for(lambda: (home / f"moe-cosim-{held.id}-collect.log").exists(), SECONDS)
    gone.rename(sweeping.path)
    wait_until_ended(sweeping)
    sweeping.run("resume", sweeping.path, "--site", sweeping.site(scheduler="slurm", lines=[f"source {same}"]))
    wait_until_ended(sweeping)
    assert f"{tmp_path / 'same'}/bin/python3: the submitter's moe-cosim" in log(sweeping, 1)
    assert sweeping.finished() == 2


@pytest.mark.live_sst
@pytest.mark.skipif(shutil.which("sst") is None, reason="no SST on the PATH")
def test_points_on_sst_get_their_ranks(slurm: SlurmCluster, sweeping: Sweeping, tiny: Tiny) -> None:
    engine = {"name": "sst", "ranks": 2}
    sweeping.sweep.write_text(
        json.dumps({"name": "ranks", "base": str(tiny.path), "set": {"engine": engine}, "seeds": 2})
    )
    submission = sweeping.submit("--scheduler", "slurm", "--time", "10", "--chunk", 2)
    assert "--ntasks=2" in (submission.folder / "points.sh").read_text()
    wait_until_ended(sweeping)
    assert sweeping.document()["points"] == {"finished": 2, "failed": 0, "missing": 0}, log(sweeping, 1)


def test_past_the_time_limit(slurm: SlurmCluster, hanging: Sweeping) -> None:
    """The last test: its element has had most of its minute."""
    told = hanging.submissions()[-1].folder / "told"
    wait_for(lambda: hanging.view().state(1).state is JobState.TIMEOUT, 120, hanging.document)
    assert told.read_text() == "told\n", "Slurm warned it, once, before the limit"
    document = hanging.document()
    assert document["elements"] == {"timed out": 1}
    assert document["ended_as"] == {"TIMEOUT": 1}
    assert document["to_resume"] == 2
    site = hanging.site(scheduler="slurm", partition="urgent")
    hanging.run("resume", hanging.path, "--site", site)
    wait_until_ended(hanging)
    assert hanging.finished() == 2
