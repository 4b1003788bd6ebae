"""What every batch scheduler must do. Its tests subclass `SchedulerContract`, name it, and give `cluster`:

class TestMine(SchedulerContract):
    scheduler = "mine"
    unknown_job = "999"

    @pytest.fixture
    def cluster(self) -> None:
        ...  # start it, real or a stand-in, with its programs on the PATH
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from moe_cosim.sim.batch.base import JobState, Scheduler, schedulers, site_class
from moe_cosim.sim.batch.script import CHECK
from moe_cosim.sim.batch.site import Site, site_of
from moe_cosim.testing.scheduler.sweeping import NASTY, Sweeping, wait_for

SECONDS = 60.0

# Stands in for the interpreter of the nodes: says which element it is, waits while it is told to, ends as it is told.
_RECORDER = """\
#!{python} -I
import json, os, sys, time
from pathlib import Path
words = sys.argv[1:]
mark = words[-1] if "element" in words else "collect"
orders = Path("orders.json")
Path("ran").mkdir(exist_ok=True)
with open(Path("ran", mark), "a") as file:
    file.write(json.dumps([words, os.environ.get("SAID"), os.getcwd()]) + "\\n")
while json.loads(orders.read_text())["hold"]:
    time.sleep(0.05)
sys.exit(json.loads(orders.read_text())["codes"].get(mark, 0))
"""


class Recorded:
    """A submission whose elements only leave a mark."""

    def __init__(self, folder: Path, scheduler: str) -> None:
        self.sweeping = Sweeping(folder, NASTY)
        self.scheduler = scheduler
        self.python = folder / 'it\'s a "recorder" $(touch pwned)'
        self.python.write_text(_RECORDER.format(python=sys.executable))
        self.python.chmod(0o755)

    def site(self, **fields: Any) -> Path:
        """A site file for this cluster, with `fields`."""
        return self.sweeping.site(scheduler=self.scheduler, python=str(self.python), **fields)

    def submit(self, points: int, hold: bool = False, codes: dict[str, int] | None = None, **fields: Any) -> None:
        """One point per element. The order is in the site's lines, for the folder is made by the submission."""
        self.sweeping.write(points)
        orders = json.dumps({"hold": hold, "codes": codes or {}})
        lines = [f"[ -e orders.json ] || {{ printf %s '{orders}' > .orders$$ && mv -n .orders$$ orders.json; }}"]
        self.sweeping.submit("--site", self.site(lines=lines, **fields), "--chunk", 1, "--time", "5")

    def state(self, element: int) -> JobState:
        """Of an element, from 1, as the scheduler has it now."""
        return self.sweeping.view().state(element).state

    def ran(self) -> dict[str, list[list[Any]]]:
        """By element (and ``collect``), what each of its runs left: words, environment and folder."""
        marks = (self.sweeping.submissions()[-1].folder / "ran").glob("*")
        return {mark.name: [json.loads(line) for line in mark.read_text().splitlines()] for mark in marks}

    def wait_collected(self) -> None:
        """Until the job behind the array has run; fails after `SECONDS`."""
        wait_for(lambda: "collect" in self.ran(), SECONDS, self.ran)


def said_by_script(mark: list[Any]) -> list[Any]:
    """A mark without the words before the command: what compares the package, its version and digest."""
    words, *rest = mark
    assert words[0] == CHECK
    return [words[3:], *rest]


class SchedulerContract:
    """Subclasses set `scheduler`, a registered name, and a job id that it does not know; they override `cluster`."""

    scheduler: ClassVar[str]
    unknown_job: ClassVar[str]

    @pytest.fixture
    def cluster(self) -> Any:
        """Starts the scheduler for a test, or what stands in for it."""
        raise NotImplementedError("a scheduler's test class starts its cluster")

    @pytest.fixture
    def recorded(self, cluster: Any, tmp_path: Path) -> Recorded:
        """A new submission's folder on that cluster."""
        return Recorded(tmp_path, self.scheduler)

    def bare(self, **fields: Any) -> Scheduler[Site]:
        """The scheduler with a site of these `fields`, asked directly."""
        return schedulers.get(self.scheduler)(site_of({"scheduler": self.scheduler, **fields}, "site", site_class))

    def test_every_element_runs_once_and_then_what_collects(self, recorded: Recorded, tmp_path: Path) -> None:
        said = "two\nlines 'and' $(touch pwned) \"more\" %I {cc}"
        recorded.submit(3, environment={"SAID": said})
        recorded.wait_collected()
        ran = recorded.ran()
        assert sorted(ran) == ["1", "2", "3", "collect"]
        folder = str(recorded.sweeping.submissions()[-1].folder.resolve())
        for index in "123":
            assert [said_by_script(each) for each in ran[index]] == [[["sweep", "element", ".", index], said, folder]]
        assert [said_by_script(each) for each in ran["collect"]] == [[["collect", "../.."], said, folder]]
        wait_for(lambda: not recorded.sweeping.view().active(), SECONDS)
        assert {recorded.state(index) for index in (1, 2, 3)} <= {JobState.DONE, JobState.GONE}
        assert not list(tmp_path.rglob("pwned"))

    def test_a_single_element(self, recorded: Recorded) -> None:
        recorded.submit(1)
        recorded.wait_collected()
        assert sorted(recorded.ran()) == ["1", "collect"]
        wait_for(lambda: recorded.state(1) is JobState.DONE, SECONDS)

    def test_a_failed_element_is_seen_and_the_rest_is_collected(self, recorded: Recorded) -> None:
        recorded.submit(2, codes={"2": 3})
        recorded.wait_collected()
        assert recorded.state(1) is JobState.DONE
        assert recorded.state(2) is JobState.FAILED

    def test_cancelled_while_it_runs(self, recorded: Recorded) -> None:
        recorded.submit(2, hold=True)
        wait_for(lambda: recorded.state(1) is JobState.RUNNING, SECONDS)
        wait_for(lambda: "1" in recorded.ran(), SECONDS)
        assert "cancelled" in recorded.sweeping.run("cancel", recorded.sweeping.path)
        wait_for(lambda: not recorded.sweeping.view().active(), SECONDS, recorded.sweeping.document)
        assert recorded.state(1) is JobState.CANCELLED
        assert "collect" not in recorded.ran()
        assert "nothing waits or runs" in recorded.sweeping.run("cancel", recorded.sweeping.path)

    def test_ending_what_has_ended_is_no_error(self, recorded: Recorded) -> None:
        recorded.submit(1)
        recorded.wait_collected()
        wait_for(lambda: not recorded.sweeping.view().active(), SECONDS)
        self.bare().cancel(recorded.sweeping.submissions()[-1].record().job_ids)

    def test_what_runs_is_not_submitted_again(self, recorded: Recorded) -> None:
        recorded.submit(2, hold=True)
        sweeping = recorded.sweeping
        assert "nothing to submit" in sweeping.run(
            "submit", sweeping.sweep, "--out", sweeping.path, "--site", recorded.site()
        )
        assert "nothing to resume" in sweeping.run("resume", sweeping.path)
        assert len(sweeping.submissions()) == 1
        sweeping.run("cancel", sweeping.path)

    @pytest.mark.usefixtures("cluster")
    def test_jobs_it_does_not_know_are_gone(self) -> None:
        assert self.bare().elements([self.unknown_job]) == {}

    @pytest.mark.usefixtures("cluster")
    def test_a_refusal_is_one_line_and_leaves_nothing(self, tmp_path: Path) -> None:
        sweeping = Sweeping(tmp_path).write(2)
        site = sweeping.site(scheduler=self.scheduler, options=["--no-such-option=1"])
        status, printed = sweeping.attempt("submit", sweeping.sweep, "--out", sweeping.path, "--site", site)
        assert status == 1
        assert len(printed.splitlines()) == 1, printed
        assert sweeping.submissions() == []

    def test_without_its_programs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sweeping = Sweeping(tmp_path).write(2)
        monkeypatch.setenv("PATH", str(tmp_path))
        status, printed = sweeping.attempt(
            "submit", sweeping.sweep, "--out", sweeping.path, "--scheduler", self.scheduler
        )
        assert status == 1
        assert "no such program here" in printed
        assert sweeping.submissions() == []

    def test_dry_run_prints_what_would_be_written(self, recorded: Recorded) -> None:
        sweeping = recorded.sweeping.write(3)
        words = ("submit", sweeping.sweep, "--out", sweeping.path, "--site", recorded.site(), "--time", "90")
        printed = sweeping.run(*words, "--dry-run")
        assert not sweeping.path.exists()
        sweeping.run(*words)
        submission = sweeping.submissions()[-1]
        shown = printed.split("/batch/")[1].split("'")[0].splitlines()[0]
        for name in ("points.sh", "collect.sh"):
            text = (submission.folder / name).read_text().replace(submission.id, shown)
            assert text in printed
        sweeping.run("cancel", sweeping.path)

    def test_an_array_larger_than_the_site_allows(self, tmp_path: Path) -> None:
        sweeping = Sweeping(tmp_path).write(7)
        site = sweeping.site(scheduler=self.scheduler, **{"max-array": 3})
        words = ("submit", sweeping.sweep, "--out", sweeping.path, "--site", site, "--dry-run")
        status, printed = sweeping.attempt(*words, "--chunk", 2)
        assert status == 2
        assert "allowed: 3 or more" in printed
        assert "1-3" in sweeping.run(*words, "--chunk", 3)

    def test_its_limit_on_arrays_holds_without_a_site_file(self, tmp_path: Path) -> None:
        limit = self.bare().max_elements
        assert limit is None or limit >= 1000
