"""Compiled functions where Numba's cache cannot be had: the one way to compile works all the same."""

from __future__ import annotations

import ast
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

import moe_cosim
from moe_cosim import compiled

PACKAGE = Path(moe_cosim.__file__).parent


def test_nothing_but_the_helper_names_numba() -> None:
    sources = [path for path in map(Path, _python_files(PACKAGE)) if path.relative_to(PACKAGE) != Path("compiled.py")]
    assert len(sources) > 150, "the folders linked into the package were read"
    assert [path for path in sources if "numba" in _imports(path)] == []


@pytest.mark.parametrize("temporary", ["writable", pytest.param("full", marks=pytest.mark.slow)])
def test_a_command_needs_no_folder_that_it_may_write(tmp_path: Path, temporary: str) -> None:
    """A read-only installation, a home that cannot be written, and for temporary files a folder or a full disk."""
    installed, home, scratch = tmp_path / "installed", tmp_path / "home", tmp_path / "scratch"
    shutil.copytree(PACKAGE, installed / "moe_cosim", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (home, scratch):
        folder.mkdir()
    read_only = [home, *(Path(root) for root, *_ in os.walk(installed))]
    for folder in read_only:
        folder.chmod(0o500)
    command = [sys.executable, "-m", "moe_cosim", "routing", "stats", "mixtral-8x7b"]
    child = subprocess.run(
        [*command, "--sequences", "2", "--tokens", "4", "--json"],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(scratch)},
        preexec_fn=_Child(full_disk=temporary == "full"),
        capture_output=True,
        text=True,
    )
    for folder in read_only:
        folder.chmod(0o700)
    often = "once per installation" if temporary == "writable" else "in every process: there is no folder to keep it in"
    assert (child.returncode, child.stderr) == (0, f"compiling what this needs of the engine, {often}\n")
    assert '"lru_hit_rate"' in child.stdout
    kept = list(tmp_path.rglob("*.nbi"))
    assert all(path.is_relative_to(scratch) for path in kept)
    assert bool(kept) == (temporary == "writable")


def test_what_is_kept_in_the_temporary_folder_is_for_its_owner_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = compiled._private_temporary_folder()
    assert folder is not None
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    assert compiled._private_temporary_folder() is None, "others could have written there"


def test_a_full_disk_costs_the_cache_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    function = compiled.compiled(_next)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    assert function(1) == 2


def test_code_is_kept_with_the_user_or_where_numba_is_told_and_not_beside_the_source(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("from moe_cosim.compiled import compiled\n@compiled\ndef one():\n    return 1\n")
    (tmp_path / "in-the-way").touch()
    for name, folder in (("HOME", "home"), ("NUMBA_CACHE_DIR", "told"), ("NUMBA_CACHE_DIR", "in-the-way/x")):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd(), "HOME": str(tmp_path / "other")}
        environment[name] = str(tmp_path / folder)
        command = [sys.executable, "-B", "-c", "import one; print(one.one())"]
        child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (child.stdout, child.stderr) == ("1\n", "")
        if folder != "in-the-way/x":
            assert list((tmp_path / folder).rglob("*.nbi"))
            assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("moved", ["module", pytest.param("name", marks=pytest.mark.slow)])
def test_an_entry_of_an_older_version_is_compiled_anew_and_replaced(tmp_path: Path, moved: str) -> None:
    """The entry names a class of its arguments that has another name, or lies in another module, since."""
    older = {"old.py": "from typing import NamedTuple\nclass Pair(NamedTuple):\n    a: int\n"}
    older["pairs.py"] = "from moe_cosim.compiled import compiled\n@compiled\ndef first(pair):\n    return pair.a\n"
    older["run.py"] = "from old import Pair\nfrom pairs import first\nprint(first(Pair(7)), *first.stats.cache_hits)\n"
    newer = {name: text.replace("Pair", "Couple") for name, text in older.items()}
    if moved == "module":
        newer = {name.replace("old", "new"): text.replace("old import", "new import") for name, text in older.items()}
    newer["pairs.py"] = older["pairs.py"] + "\n"

    def run(files: dict[str, str]) -> str:
        for name in ("old.py", "new.py"):
            (tmp_path / name).unlink(missing_ok=True)
        for name, text in files.items():
            path = tmp_path / name
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.getcwd()}
        command = [sys.executable, "-B", "run.py"]
        child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert child.returncode == 0, child.stderr
        return child.stdout.strip()

    assert run(older) == "7"
    assert run(older).startswith("7 "), "from the cache"
    assert run(newer) == "7"
    assert run(newer).startswith("7 "), "from the cache again"


class _Child:
    """What the child does before it starts: root gives up the right to write everywhere."""

    def __init__(self, full_disk: bool) -> None:
        self._full_disk = full_disk
        self._prctl: Callable[..., int] | None = None
        if os.geteuid() == 0:
            if not sys.platform.startswith("linux"):
                pytest.skip("root can write everywhere")
            self._prctl = ctypes.CDLL(None).prctl

    def __call__(self) -> None:
        if self._prctl is not None:
            drop_from_bounding_set, dac_override = 24, 1  # linux/prctl.h, linux/capability.h
            self._prctl(drop_from_bounding_set, dac_override, 0, 0, 0)
        if self._full_disk:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # files can be made, but nothing written into them


def _python_files(folder: Path) -> list[str]:
    return [
        os.path.join(root, name)
        for root, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.endswith(".py")
    ]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _next(x: int) -> int:
    return x + 1
