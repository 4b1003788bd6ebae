"""Slurm against the contract, on a real one."""

from __future__ import annotations

from typing import ClassVar

import pytest

from moe_cosim.sim.batch.base import Job, JobState, schedulers, site_class
from moe_cosim.sim.batch.command_runner import Answer, CommandRunner
from moe_cosim.sim.batch.schedulers.slurm import Slurm, SlurmSite
from moe_cosim.sim.batch.site import site_of
from moe_cosim.testing.scheduler.contract import SchedulerContract
from tests.sim.batch.slurm_cluster import SlurmCluster


class TestSlurm(SchedulerContract):
    scheduler: ClassVar[str] = "slurm"
    unknown_job: ClassVar[str] = "999999"

    @pytest.fixture
    def cluster(self, slurm: SlurmCluster) -> SlurmCluster:
        return slurm


class Printing(CommandRunner):
    """Answers each program with a text of the test's."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers

    def __call__(self, argv, folder=None, stdin=None) -> Answer:  # type: ignore[no-untyped-def]
        return self.answers[argv[0]]


def test_options() -> None:
    site = SlurmSite(
        scheduler="slurm", partition="long", account="a1", qos="low", cpus_per_task=2, mem="4G", options=["--exclusive"]
    )
    job = Job("moe-x", "points.sh", elements=7, time_s=5400, warning_s=90, ranks=4)
    assert Slurm(site).options(job) == [
        "--job-name=moe-x",
        "--array=1-7",
        "--requeue",
        "--signal=B:USR1@90",
        "--ntasks=4",
        "--cpus-per-task=2",
        "--time=01:30:00",
        "--partition=long",
        "--account=a1",
        "--qos=low",
        "--mem=4G",
        "--output=/dev/null",
        "--exclusive",
    ]


def test_memory_is_asked_for_where_the_site_says_nothing() -> None:
    job = Job("moe-x", "points.sh", elements=7, memory_bytes=1_500_000_001)
    assert "--mem=1501M" in Slurm(SlurmSite(scheduler="slurm")).options(job)
    said = [option for option in Slurm(SlurmSite(scheduler="slurm", mem="0")).options(job) if "mem" in option]
    assert said == ["--mem=0"]
    collects = Job("moe-x", "collect.sh", elements=0, memory_bytes=None)
    assert not any("mem" in option for option in Slurm(SlurmSite(scheduler="slurm")).options(collects))


@pytest.mark.parametrize(("name", "variable"), [("slurm", "SLURM_CPUS_ON_NODE"), ("pbs", "NCPUS"), ("flux", None)])
def test_the_cores_of_an_element_are_those_that_it_was_given(name: str, variable: str | None) -> None:
    scheduler = schedulers.get(name)(site_of({"scheduler": name}, "test", site_class))
    assert scheduler.cores({}) == 1
    assert scheduler.cores({str(variable): "64"}) == (64 if variable else 1)
    assert scheduler.cores({str(variable): "64(x2)"}) == 1


def test_what_has_left_the_queue_is_in_the_accounts() -> None:
    """Words of sacct(1); the tests' Slurm keeps no accounts."""
    run_command = Printing(
        squeue=Answer(0, "2|RUNNING\n3|COMPLETING\n", ""),
        sacct=Answer(0, "7_1|OUT_OF_MEMORY\n7_2|PENDING\n7_4|CANCELLED by 1000\n7_5|TIMEOUT\n7_6|NODE_FAIL\n", ""),
    )
    seen = Slurm(SlurmSite(scheduler="slurm"), run_command).elements(["7"])
    assert {index: each.state for index, each in seen.items()} == {
        1: JobState.FAILED,
        2: JobState.RUNNING,
        3: JobState.RUNNING,
        4: JobState.CANCELLED,
        5: JobState.TIMEOUT,
        6: JobState.FAILED,
    }
    assert seen[1].word == "OUT_OF_MEMORY"


def test_a_greeting_around_the_job_id() -> None:
    job = Job("moe-x", "points.sh", elements=1)
    assert Slurm(SlurmSite(scheduler="slurm")).job_ids("Welcome to the cluster!\n1234;east\n", job) == ["1234"]


def test_an_element_requeues_itself_and_not_the_array() -> None:
    """The element that is left when all others have split off keeps the array's id as its SLURM_JOB_ID."""
    environ = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "4"}
    command = Slurm(SlurmSite(scheduler="slurm")).requeue(environ)
    assert command is not None
    assert command.argv == ("scontrol", "requeue", "7_4")
