"""Which tests pass by which lines, and how long they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants.drawn_from import PLAIN, SOURCES, TESTS

_HOOK: Final = Path(__file__).parent / "hook"
LONGEST_S: Final = 60
"""Longer tests are not asked."""
_TOGETHER_S: Final = 120.0
MOST: Final = 400
"""Of a line's tests these, the shortest first."""


def environment(**more: str) -> dict[str, str]:
    """In which what mutants are drawn from is not compiled."""
    prefixes = " ".join(f"moe_cosim.{folder.replace('/', '.')}" for folder in PLAIN)
    path = os.pathsep.join([str(_HOOK), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "MUTANTS_FROM": prefixes, **more}


def write(target: Path, workers: int) -> None:
    """Runs `TESTS` under coverage; as JSON, the seconds of each that passes, and the tests of each line."""
    from coverage import CoverageData

    with tempfile.TemporaryDirectory() as folder:
        data, report, settings = (Path(folder) / name for name in ("data", "report.xml", "settings"))
        settings.write_text(f"[run]\nsource = {', '.join(SOURCES)}\ncore = ctrace\ndata_file = {data}\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            str(workers),
            "-p",
            "no:cacheprovider",
            "--dist=worksteal",
        ]
        command += ["-m", "not slow and not quantize and not live_capture"]
        command += ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=", f"--junitxml={report}"]
        subprocess.run([*command, f"--timeout={LONGEST_S}", *TESTS], env=environment(), check=False)
        found = CoverageData(str(data))
        found.read()
        seconds = _seconds(report)
        lines = {
            os.path.relpath(path): _passing(found.contexts_by_lineno(path), seconds) for path in found.measured_files()
        }
    target.write_text(json.dumps({"tests": list(seconds.items()), "lines": lines}))


def _passing(by_line: dict[int, list[str]], seconds: dict[str, float]) -> dict[int, list[int]]:
    """By line, the places of its tests in `seconds`."""
    places = {test: place for place, test in enumerate(seconds)}
    tests = {line: {context.rpartition("|")[0] for context in contexts} for line, contexts in by_line.items()}
    return {line: [places[test] for test in _shortest(each & seconds.keys(), seconds)] for line, each in tests.items()}


def _shortest(tests: Iterable[str], seconds: dict[str, float]) -> list[str]:
    found = sorted(tests, key=lambda each: (seconds[each], each))[:MOST]
    together = accumulate(seconds[test] for test in found)
    return [test for test, so_far in zip(found, together, strict=True) if so_far < _TOGETHER_S]


def _seconds(report: Path) -> dict[str, float]:
    """Of every test that passed, by its name as pytest takes it."""
    found: dict[str, float] = {}
    for case in ET.parse(report).iter("testcase"):
        if case.find("failure") is None and case.find("error") is None and case.find("skipped") is None:
            found[_name(case.attrib)] = float(case.attrib["time"])
    return found


def _name(case: dict[str, Any]) -> str:
    """``tests.a.test_b.TestC`` and ``test_d[e]`` is ``tests/a/test_b.py::TestC::test_d[e]``."""
    parts = case["classname"].split(".")
    module = next(n for n in range(len(parts), 0, -1) if Path(*parts[:n]).with_suffix(".py").is_file())
    file = Path(*parts[:module]).with_suffix(".py")
    return "::".join([str(file), *parts[module:], case["name"]])
