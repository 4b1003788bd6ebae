"""Tries each mutant on the tests that pass by it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants.drawn_from import IN_THE_ENGINE
from benchmarks.mutants.passing import LONGEST_S, MOST, environment

_PATIENCE: Final = 3.0
"""A mutant whose tests take so many times as long has made an endless loop."""


def write(mutants: Path, passing: Path, outcomes: Path, workers: int, stop_after_s: float) -> None:
    """Appends a line of JSON for each mutant that has none yet, until the time is over."""
    known = {json.loads(line)["id"] for line in outcomes.read_text().splitlines()} if outcomes.exists() else set()
    tests = json.loads(passing.read_text())
    deadline = time.monotonic() + stop_after_s

    def tried(mutant: dict[str, Any]) -> dict[str, Any] | None:
        return None if time.monotonic() > deadline else _outcome(mutant, tests)

    waiting = [mutant for mutant in json.loads(mutants.read_text()) if mutant["id"] not in known]
    with ThreadPoolExecutor(workers) as pool, outcomes.open("a") as file:
        for found in pool.map(tried, waiting):
            if found is not None:
                file.write(json.dumps(found) + "\n")
                file.flush()


def _outcome(mutant: dict[str, Any], passing: dict[str, Any]) -> dict[str, Any]:
    tests = asked(mutant, passing)
    row = {name: mutant[name] for name in ("id", "path", "line", "operator", "before", "after")} | {"tests": len(tests)}
    if not tests:
        return row | {"outcome": "no test passes by it"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mutant.json"
        file.write_text(json.dumps({"path": str(Path(mutant["path"]).resolve()), "source": mutant["source"]}))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        limit = 60 + _PATIENCE * sum(each for _, each in tests)
        apart = {"NUMBA_CACHE_DIR": folder} if mutant["path"] in IN_THE_ENGINE else {}
        try:
            done = subprocess.run(
                [*command, f"--timeout={LONGEST_S * _PATIENCE:.0f}", *(test for test, _ in tests)],
                env=environment(MUTANT=str(file), **apart),
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return row | {"outcome": "killed", "by": "time"}
    if done.returncode == 0:
        return row | {"outcome": "survived"}
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return row | {"outcome": "killed", "by": failed[0][:200] if failed else f"exit {done.returncode}"}


def asked(mutant: dict[str, Any], passing: dict[str, Any]) -> list[tuple[str, float]]:
    """The tests that pass by the changed lines, with their seconds, the shortest first; of what runs on import alone,
    the file's."""
    lines = passing["lines"].get(mutant["path"], {})
    found = {test for line in range(mutant["line"], mutant["end_line"] + 1) for test in lines.get(str(line), ())}
    found = found or {test for each in lines.values() for test in each}
    return sorted((tuple(passing["tests"][test]) for test in found), key=lambda one: (one[1], one[0]))[:MOST]
