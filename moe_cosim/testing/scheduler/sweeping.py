"""A small sweep, and its store as a user sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from moe_cosim.sim.batch.status import View, batch_lines
from moe_cosim.sim.batch.submission import Submission, submissions
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.sweep.store.store import Store

NASTY = "na sty'\"$(touch pwned) %a {é} \\ `x`;&\n#SBATCH --array=1-99\n#PBS -J 1-99\n#BSUB -n 99\n#$ -t 1-99"
"""A folder's name that shells, schedulers and format strings would all like to misread."""


class Sweeping:
    """One store and what is done to it through the command line."""

    def __init__(self, folder: Path, store: str = "store") -> None:
        self.folder = folder
        self.path = folder / store
        self.sweep = folder / "sweep.yaml"

    def write(self, points: int, tokens: int = 4, **settings: Any) -> Sweeping:
        """A sweep of `points` seeds; a point takes about 4 ms a token."""
        changes = {"workload.output_tokens": tokens, "workload.prompt_tokens": 16, **settings}
        document = {"name": "small", "base": "cxl-ndp-mixtral-8x7b-2bit", "set": changes, "seeds": points}
        self.sweep.write_text(json.dumps(document))
        return self

    def site(self, **fields: Any) -> Path:
        """A site file beside the sweep."""
        path = self.folder / "site.yaml"
        path.write_text(json.dumps(fields))
        return path

    def run(self, command: str, *arguments: object) -> str:
        """A `sweep` command that must succeed; what it printed."""
        status, printed = self.attempt(command, *arguments)
        assert status == 0, printed
        return printed

    def attempt(self, command: str, *arguments: object) -> tuple[int, str]:
        """Exit status and output of a command; other exceptions than an exit are raised."""
        result = CliRunner().invoke(main, ["sweep", command, *(str(each) for each in arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def submit(self, *arguments: object) -> Submission:
        """The submission that the command made, which must succeed."""
        self.run("submit", self.sweep, "--out", self.path, *arguments)
        return self.submissions()[-1]

    @property
    def store(self) -> Store:
        """Opened anew."""
        return Store.open(self.path)

    def submissions(self) -> list[Submission]:
        """All of the store, the oldest first."""
        return submissions(self.path)

    def view(self) -> View:
        """The latest submission as its scheduler sees it."""
        return View.of(self.submissions()[-1])

    def document(self) -> dict[str, Any]:
        """Status of the latest submission."""
        found = batch_lines(self.store)
        assert found is not None
        last: dict[str, Any] = found["submissions"][-1]
        return last

    def finished(self) -> int:
        """Points that the store has results of."""
        return len(self.store.finished_ids())

    def stamps(self) -> dict[str, tuple[str, float]]:
        """When each finished point was computed: the same again means that it was not computed again."""
        records = ((each, self.store.record(each)) for each in self.store.finished_ids())
        return {each: (record.finished_utc, record.wall_s) for each, record in records if record is not None}


def wait_for(condition: Callable[[], bool], seconds: float, what: Callable[[], object] = lambda: "") -> None:
    """Poll until the condition holds; fail after so many seconds, saying `what`."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds} s: {what()}"
        time.sleep(0.1)
