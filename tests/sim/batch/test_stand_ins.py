"""PBS Pro, LSF and Flux under programs that answer as theirs do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from moe_cosim.sim.batch.base import Job, JobState
from moe_cosim.sim.batch.command_runner import CommandRunner
from moe_cosim.testing.scheduler.contract import Recorded, SchedulerContract
from moe_cosim.testing.scheduler.sweeping import Sweeping, wait_for
from tests.sim.batch.stand_in_programs import stand_ins

MEMORY = Job("moe-x", "points.sh", elements=7, memory_bytes=1_500_000_001)
ARRAY = Job("moe-x", "points.sh", elements=7, time_s=5400, warning_s=90, ranks=4)


class StandIn(SchedulerContract):
    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Iterator[Path]:
        with stand_ins(tmp_path) as state:
            yield state

    def test_ended_at_its_time_limit(self, cluster: Path, recorded: Recorded) -> None:
        recorded.submit(2)
        recorded.wait_collected()
        (cluster / "100" / "1").write_text("LIMIT 0")
        assert recorded.state(1) is JobState.TIMEOUT


class TestPbs(StandIn):
    scheduler: ClassVar[str] = "pbs"
    unknown_job: ClassVar[str] = "999[].pbs"

    def test_options(self) -> None:
        site = {"queue": "long", "account": "a1", "project": "p1", "ncpus": 2, "mem": "4gb", "place": "scatter"}
        assert self.bare(**site, options=["-m n"]).options(ARRAY) == [
            "-N moe-x",
            "-J 1-7",
            "-l select=1:ncpus=8:mpiprocs=4:mem=4gb",
            "-r y",
            "-l place=scatter",
            "-l walltime=01:30:00",
            "-q long",
            "-A a1",
            "-P p1",
            "-j oe",
            "-o /dev/null",
            "-m n",
        ]

    def test_memory_is_asked_for_where_the_site_says_nothing_of_it(self) -> None:
        assert "-l select=1:ncpus=1:mem=1501mb" in self.bare().options(MEMORY)
        assert "-l select=1:ncpus=1:mem=4gb" in self.bare(mem="4gb").options(MEMORY)

    def test_an_element_watches_the_clock_itself(self, cluster: Path, tmp_path: Path) -> None:
        """PBS warns nobody. 59 s before the limit of a minute is at once: what is in hand is finished."""
        sweeping = Sweeping(tmp_path).write(points=12, tokens=400)
        sweeping.submit("--scheduler", "pbs", "--chunk", 12, "--time", "1", "--warning", 59)
        wait_for(lambda: not sweeping.view().active(), 60)
        document = sweeping.document()
        log = sweeping.submissions()[-1].log("1").read_text()
        assert "stopped by clock" in log
        assert "'moe-cosim sweep resume' submits the rest" in log
        assert 1 <= sweeping.finished() < 12
        assert document["elements"] == {"failed": 1}
        assert document["ended_as"] == {"F, Exit_status 75": 1}
        assert document["to_resume"] == 12 - sweeping.finished()


class TestLsf(StandIn):
    scheduler: ClassVar[str] = "lsf"
    unknown_job: ClassVar[str] = "999"

    def test_options(self) -> None:
        site = {"queue": "long", "project": "p1", "n": 2, "memory": "4GB", "resources": ["span[ptile=2]"]}
        assert self.bare(**site, options=["-G team"]).options(ARRAY) == [
            '-J "moe-x[1-7]"',
            "-n 4",
            "-r",
            '-Q "99"',
            "-wa USR1 -wt 2",
            "-W 1:30",
            "-q long",
            "-P p1",
            "-M 4GB",
            '-R "span[ptile=2]"',
            "-o /dev/null",
            "-G team",
        ]

    def test_memory_is_reserved_where_the_site_says_nothing_of_it(self) -> None:
        assert '-R "rusage[mem=1501MB]"' in self.bare().options(MEMORY)
        said = self.bare(memory="4GB").options(MEMORY)
        assert "-M 4GB" in said
        assert not any("rusage" in option for option in said)

    def test_warned_an_element_is_requeued_by_its_exit_status(self, cluster: Path, tmp_path: Path) -> None:
        """bkill -s USR1 reaches every process of the element, its workers too: none may die of it."""
        sweeping = Sweeping(tmp_path).write(points=12, tokens=400)
        submission = sweeping.submit("--scheduler", "lsf", "--chunk", 12, "--time", "10")
        wait_for(lambda: sweeping.finished() >= 1, 60)
        job = submission.record().job_ids[0]
        CommandRunner().checked(("bkill", "-s", "USR1", job))
        wait_for(lambda: not sweeping.view().active(), 60, sweeping.document)
        log = submission.log("1").read_text()
        first, second = (line for line in log.splitlines() if " were there" in line)
        assert "stopped by SIGUSR1" in log
        assert "to be requeued" in log
        assert " 0 failed" in first
        assert " 0 were there" not in second
        assert sweeping.document()["elements"] == {"done": 1}
        assert sweeping.finished() == 12


class TestFlux(StandIn):
    scheduler: ClassVar[str] = "flux"
    unknown_job: ClassVar[str] = "ƒ999"

    def test_options(self) -> None:
        site = {"queue": "long", "bank": "b1", "cores-per-task": 2}
        scheduler = self.bare(**site, options=["--urgency=20"])
        assert scheduler.submission(ARRAY).argv == (
            "flux",
            "submit",
            "--job-name=moe-x.{cc}",
            "--cc=1-7",
            "--ntasks=1",
            "--cores-per-task=8",
            "--signal=USR1@90s",
            "--time-limit=5400s",
            "--queue=long",
            "--bank=b1",
            "--urgency=20",
            "bash",
            "points.sh",
        )
