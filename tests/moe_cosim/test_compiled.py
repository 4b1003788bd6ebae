"""Compiled functions where Numba finds no folder for its cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

from moe_cosim import compiled


def test_a_private_folder_takes_the_place_of_the_missing_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real, calls = compiled.njit, []

    def without_locator(*args: Any, **options: Any) -> Callable[..., Any]:
        calls.append(options.get("cache", False))
        if calls == [True]:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(compiled, "njit", without_locator)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert compiled.compiled(_next)(1) == 2
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbi")), "the machine code is kept there"


def test_a_folder_others_can_write_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = compiled._private_temporary_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert compiled._private_temporary_folder() is None


def _next(x: int) -> int:
    return x + 1
