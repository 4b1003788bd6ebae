"""Compiling is announced once, and is no part of what a run takes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moe_cosim import compiling as module
from moe_cosim.compiling import Compiling, Stopwatch

SCRIPT = """
from moe_cosim.compiled import compiled
from moe_cosim.compiling import Stopwatch, compiling
compiling.announce = print
@compiled
def one(x):
    return x + 1
@compiled
def two(x):
    return one(x) * 2
watch = Stopwatch()
assert two(1) == 4 and one(2) == 3
print(compiling.seconds > 0)
"""


def test_it_is_said_once_and_only_where_something_is_compiled(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def said() -> str:
        command = [sys.executable, str(script)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert said() == "compiling what this needs of the engine, once per installation\nTrue\n"
    assert said() == "False\n"


def test_a_stopwatch_leaves_compiling_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One compilation in another counts once; one that goes on counts until now."""
    now_s = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now_s[0])
    compiling = Compiling()
    monkeypatch.setattr(module, "compiling", compiling)
    watch = Stopwatch()

    def after(seconds: float) -> None:
        now_s[0] += seconds

    after(1)
    compiling.begin()
    after(10)
    compiling.begin()
    after(10)
    compiling.end()
    after(10)
    assert (watch.lap_s(), compiling.seconds) == (1, 30)
    after(5)
    compiling.end()
    after(2)
    assert (watch.lap_s(), compiling.seconds) == (2, 35)


ARRAYS = """
import sys
import numpy as np
from moe_cosim.compiled import compiled
@compiled
def double(x):
    for i in range(len(x)):
        x[i] *= 2
x = np.arange(3.0)
double(x)
print(x.sum(), "numba.cpython.unicode" in sys.modules)
"""


def test_code_that_is_compiled_starts_without_what_numba_compiles_with(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ARRAYS)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, str(script)]
    said = [subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout for _ in "ab"]
    assert said == ["6.0 True\n", "6.0 False\n"]


CALLER = """
from moe_cosim.compiled import compiled, compiled_part
from callee import factor, OFFSET
part = compiled_part(factor)
@compiled
def scaled(x):
    return part(x) + OFFSET
print(scaled(2), len(scaled.stats.cache_hits))
"""
CALLEE = "def factor(x):\n    return 3 * x\nOFFSET = 1\n"


@pytest.mark.parametrize("edit", [("3 * x", "5 * x"), ("OFFSET = 1", "OFFSET = 5")])
def test_code_is_compiled_anew_when_what_it_calls_or_names_has_changed(tmp_path: Path, edit: tuple[str, str]) -> None:
    """In another file, of which Numba's own stamp knows nothing."""
    (tmp_path / "caller.py").write_text(CALLER)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def said(text: str = "") -> str:
        if text:
            (tmp_path / "callee.py").write_text(text)
        command = [sys.executable, str(tmp_path / "caller.py")]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert said(CALLEE) == "7 0\n"
    changed = CALLEE.replace(*edit)
    assert said(changed) == "11 0\n"
    assert said() == "11 1\n", "from the cache"
