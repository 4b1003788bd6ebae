"""Grid Engine against the contract, on a real one; and what ends its elements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import pytest

from moe_cosim.errors import RunError
from moe_cosim.sim.batch.base import Job, JobState
from moe_cosim.sim.batch.command_runner import Answer
from moe_cosim.sim.batch.schedulers.grid_engine import GridEngine, GridEngineSite
from moe_cosim.testing.scheduler.contract import SchedulerContract
from moe_cosim.testing.scheduler.sweeping import NASTY, Sweeping, wait_for
from tests.sim.batch.grid_engine_cluster import GridEngineCluster
from tests.sim.batch.test_slurm import Printing

SECONDS = 120.0


class TestGridEngine(SchedulerContract):
    scheduler: ClassVar[str] = "grid-engine"
    unknown_job: ClassVar[str] = "999999"

    @pytest.fixture
    def cluster(self, grid_engine: GridEngineCluster) -> GridEngineCluster:
        return grid_engine


def test_options_of_grid_engine() -> None:
    site = GridEngineSite(
        scheduler="grid-engine", queue="long", project="p1", account="a1", slots=2, mem_free="4G", options=["-p -5"]
    )
    job = Job("moe-x", "points.sh", elements=7, time_s=5400, warning_s=90, ranks=4)
    assert GridEngine(site).options(job) == [
        "-N moe-x",
        "-t 1-7",
        "-r y",
        "-pe smp 4",
        "-l mem_free=4G",
        "-l h_rt=01:30:00",
        "-l s_rt=01:28:30",
        "-q long",
        "-P p1",
        "-A a1",
        "-S /bin/bash",
        "-j y",
        "-o /dev/null",
        "-p -5",
    ]


def test_free_memory_is_asked_for_where_the_site_says_nothing() -> None:
    job = Job("moe-x", "points.sh", elements=7, memory_bytes=1_500_000_001)
    assert "-l mem_free=1501M" in GridEngine(GridEngineSite(scheduler="grid-engine")).options(job)
    said = GridEngine(GridEngineSite(scheduler="grid-engine", h_vmem="2G")).options(job)
    assert "-l h_vmem=2G" in said
    assert not any("mem_free" in option for option in said)


QUEUE = """\
<?xml version='1.0'?>
<job_info><queue_info>
<job_list state="running"><JB_job_number>7</JB_job_number><state>dr</state><tasks>1</tasks></job_list>
<job_list state="running"><JB_job_number>8</JB_job_number><state>r</state></job_list>
</queue_info><job_info>
<job_list state="pending"><JB_job_number>7</JB_job_number><state>Eqw</state><tasks>2</tasks></job_list>
</job_info></job_info>
"""
RULE = "=" * 62
PAST = [
    (3, "25  : rescheduling", "99", "NONE"),
    (3, "0   ", "0", "NONE"),
    (4, "0   ", "3", "NONE"),
    (5, "100 : assumedly after job", "137                  (Killed)", "NONE"),
    (6, "100 : assumedly after job", "139                  (Segmentation fault)", "NONE"),
    (7, "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137", "-l h_rt=60,s_rt=30"),
    (8, "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137", "-l h_rt=600,h_vmem=1G"),
    (9, "25  : rescheduling", "99", "NONE"),
    (1, "25  : rescheduling", "99", "NONE"),
]


def test_the_queue_and_the_accounts_together() -> None:
    """Words of qstat(1) and accounting(5)."""
    blocks = (
        f"{RULE}\ntaskid       {task}\nfailed       {failed}\nexit_status  {status}\n"
        f"ru_wallclock 61s\ncategory     {category}\n"
        for task, failed, status, category in PAST
    )
    run_command = Printing(qstat=Answer(0, QUEUE, ""), qacct=Answer(0, "".join(blocks), ""))
    seen = GridEngine(GridEngineSite(scheduler="grid-engine"), run_command).elements(["7"])
    assert {index: each.state for index, each in seen.items()} == {
        1: JobState.RUNNING,
        2: JobState.PENDING,
        3: JobState.DONE,
        4: JobState.FAILED,
        5: JobState.CANCELLED,
        6: JobState.FAILED,
        7: JobState.TIMEOUT,
        8: JobState.FAILED,
    }
    assert seen[2].word == "Eqw"
    assert seen[4].word == "failed 0, exit_status 3"


def test_a_queue_that_cannot_be_read_is_said() -> None:
    scheduler = GridEngine(GridEngineSite(scheduler="grid-engine"), Printing(qstat=Answer(0, "<job", "")))
    with pytest.raises(RunError, match="no XML"):
        GridEngine.elements(scheduler, ["7"])


def test_an_array_on_grid_engine_whatever_the_names(grid_engine: GridEngineCluster, tmp_path: Path) -> None:
    sweeping = Sweeping(tmp_path, NASTY).write(points=5)
    site = sweeping.site(scheduler="grid-engine", slots=2, mem_free="1M")
    submission = sweeping.submit("--site", site, "--chunk", 3, "--time", "10")
    wait_for(lambda: bool(list(sweeping.path.glob("parts/part-*.parquet"))), SECONDS, sweeping.document)
    wait_for(lambda: not sweeping.view().active(), SECONDS, sweeping.document)
    assert sweeping.document()["elements"] == {"done": 2}
    assert sweeping.finished() == 5
    assert "2 workers" in submission.log("1").read_text()
    assert sweeping.document()["peak_bytes"] > 50e6
    assert not list(tmp_path.rglob("pwned"))


_WAITS_TO_BE_TOLD = """\
#!{python} -I
import pathlib, signal, sys, time
signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(99))
starts = pathlib.Path("starts")
with starts.open("a") as file:
    file.write("start\\n")
while starts.read_text() == "start\\n":
    time.sleep(0.1)
"""


def test_warned_before_its_limit_an_element_comes_back(grid_engine: GridEngineCluster, tmp_path: Path) -> None:
    """By the soft limit and the exit status: it is told after ten seconds of its minute."""
    sweeping = Sweeping(tmp_path).write(points=2)
    python = tmp_path / "waits"
    python.write_text(_WAITS_TO_BE_TOLD.format(python=sys.executable))
    python.chmod(0o755)
    site = sweeping.site(scheduler="grid-engine", python=str(python))
    submission = sweeping.submit("--site", site, "--chunk", 2, "--time", "1", "--warning", 50)
    wait_for(lambda: sweeping.view().state(1).state is JobState.DONE, SECONDS, sweeping.document)
    assert (submission.folder / "starts").read_text().startswith("start\nstart\n")


def test_past_the_hard_limit(grid_engine: GridEngineCluster, tmp_path: Path) -> None:
    """Two seconds, which only a job of our own may ask for: a site's limits are minutes."""
    script = tmp_path / "late.sh"
    script.write_text("sleep 60\n")
    asked = ("-terse", "-t", "1-1", "-l", "h_rt=2", "-S", "/bin/bash", "-j", "y", "-o", "/dev/null")
    printed = grid_engine.run("qsub", *asked, str(script))
    scheduler = GridEngine(GridEngineSite(scheduler="grid-engine"))
    (job_id,) = scheduler.job_ids(printed, Job("moe-x", "late.sh", elements=1))
    wait_for(lambda: scheduler.elements([job_id])[1].state is JobState.TIMEOUT, SECONDS)
