"""Which tests pass by which lines, and how long they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants.drawn_from import LEFT_OUT, PLAIN, SOURCES, TESTS

_HOOK: Final = Path(__file__).parent / "hook"
LONGEST_S: Final = 20
"""Longer tests are not asked."""
TOGETHER_S: Final = 20.0
MOST: Final = 150
"""Of a line's tests these, the shortest first."""


def environment(**more: str) -> dict[str, str]:
    """In which what mutants are drawn from is not compiled."""
    prefixes = " ".join(f"moe_cosim.{folder.replace('/', '.')}" for folder in PLAIN)
    path = os.pathsep.join([str(_HOOK), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "MUTANTS_FROM": prefixes, **more}


def write(target: Path, workers: int) -> None:
    """Runs `TESTS` under coverage, one folder after the other; as JSON, the tests that pass with their seconds, and of
    each line of the source the places of its tests in that list."""
    seconds: dict[str, float] = {}
    tests: dict[str, dict[int, set[str]]] = {}
    for folder in TESTS:
        with tempfile.TemporaryDirectory() as own:
            seconds |= _run(folder, Path(own), workers)
            for path, line, names in _lines(Path(own)):
                tests.setdefault(path, {}).setdefault(line, set()).update(names)
        _keep(target, seconds, tests)


def _keep(target: Path, seconds: dict[str, float], tests: dict[str, dict[int, set[str]]]) -> None:
    places = {test: place for place, test in enumerate(seconds)}
    lines = {
        path: {
            line: [places[test] for test in _shortest(names & seconds.keys(), seconds)] for line, names in by.items()
        }
        for path, by in tests.items()
    }
    target.write_text(json.dumps({"tests": list(seconds.items()), "lines": lines}))


def _run(tests: str, own: Path, workers: int) -> dict[str, float]:
    """What passes, and how long it takes; coverage's data are left in `own`."""
    settings, report = own / "settings", own / "report.xml"
    settings.write_text(f"[run]\nsource = {', '.join(SOURCES)}\ncore = ctrace\ndata_file = {own / 'data'}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--dist=loadfile", "-p", "no:cacheprovider"]
    command += [
        "-m",
        "not slow and not quantize and not live_capture",
        f"--timeout={LONGEST_S}",
        *LEFT_OUT,
    ]
    command += ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=", f"--junitxml={report}"]
    subprocess.run([*command, tests], env=environment(), check=False)
    return _seconds(report)


def _lines(own: Path) -> Iterator[tuple[str, int, set[str]]]:
    from coverage import CoverageData

    found = CoverageData(str(own / "data"))
    found.read()
    for path in found.measured_files():
        for line, contexts in found.contexts_by_lineno(path).items():
            yield os.path.relpath(path), line, {context.rpartition("|")[0] for context in contexts}


def _shortest(tests: Iterable[str], seconds: dict[str, float]) -> list[str]:
    found = sorted(tests, key=lambda each: (seconds[each], each))[:MOST]
    together = accumulate(seconds[test] for test in found)
    return [test for test, so_far in zip(found, together, strict=True) if so_far < TOGETHER_S]


def _seconds(report: Path) -> dict[str, float]:
    """Of every test that passed, by its name as pytest takes it."""
    found: dict[str, float] = {}
    for case in ET.parse(report).iter("testcase"):
        if case.get("classname") is None:  # of a worker that ended
            continue
        if case.find("failure") is None and case.find("error") is None and case.find("skipped") is None:
            found[_name(case.attrib)] = float(case.attrib["time"])
    return found


def _name(case: dict[str, Any]) -> str:
    """The dots of a module and its classes become its path and ``::``."""
    parts = case["classname"].split(".")
    module = next(n for n in range(len(parts), 0, -1) if Path(*parts[:n]).with_suffix(".py").is_file())
    file = Path(*parts[:module]).with_suffix(".py")
    return "::".join([str(file), *parts[module:], case["name"]])
