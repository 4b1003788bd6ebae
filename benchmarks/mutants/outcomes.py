"""Tries each mutant on the tests that pass by it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants.drawn_from import COMPILED, IN_THE_ENGINE, LAST
from benchmarks.mutants.passing import MOST, TOGETHER_S, environment

_LAST_S: Final = 900.0
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
    """Its row: killed by which test, or survived."""
    tests = asked(mutant, passing)
    row = {name: mutant[name] for name in ("id", "path", "line", "operator", "before", "after")} | {"tests": len(tests)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mutant.json"
        file.write_text(json.dumps({"path": str(Path(mutant["path"]).resolve()), "source": mutant["source"]}))
        is_compiled = mutant["path"] in IN_THE_ENGINE or "@compiled" in mutant["source"]
        apart = {"NUMBA_CACHE_DIR": folder} if is_compiled else {}
        in_the_engine = apart if mutant["path"] in IN_THE_ENGINE else {}
        limit_s = 180 + _PATIENCE * sum(each for _, each in tests)
        by = _killed_by([test for test, _ in tests], limit_s, MUTANT=str(file), **in_the_engine) if tests else ""
        own = [test for where, names in COMPILED.items() if mutant["path"].startswith(where) for test in names]
        if own and not by:
            by = _killed_by(own, _LAST_S, MUTANT=str(file), MUTANTS_FROM="", **apart)
        by = by or _killed_by(LAST, _LAST_S, MUTANT=str(file), MUTANTS_FROM="", **apart)
    return row | ({"outcome": "killed", "by": by} if by else {"outcome": "survived"})


def _killed_by(tests: Sequence[str], limit_s: float, **variables: str) -> str:
    """The first that fails; empty where none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *["-p", "no:cacheprovider", "-p", "no:xdist"]]
    try:
        done = subprocess.run(
            [*command, f"--timeout={limit_s:.0f}", *tests],
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "time"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0][:200] if failed else f"exit {done.returncode}" if done.returncode else ""


def asked(mutant: dict[str, Any], passing: dict[str, Any]) -> list[tuple[str, float]]:
    """The tests that pass by the changed lines, with their seconds, the shortest first; of what runs on import alone,
    the file's."""
    lines = passing["lines"].get(mutant["path"], {})
    found = {test for line in range(mutant["line"], mutant["end_line"] + 1) for test in lines.get(str(line), ())}
    found = found or {test for each in lines.values() for test in each}
    by_length = sorted((tuple(passing["tests"][test]) for test in found), key=lambda one: (one[1], one[0]))[:MOST]
    together = accumulate(each for _, each in by_length)
    return [one for one, so_far in zip(by_length, together, strict=True) if so_far < TOGETHER_S]
