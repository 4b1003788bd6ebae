"""Numba, set up once: reproducible, fast, and cached wherever the package is installed.

Numba keeps machine code beside the source or, where that is read-only, in the user's cache folder.
When neither can be written (no HOME on a compute node, say) it refuses to cache at all; then a
folder in the temporary directory, which only this user can touch, takes its place.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba import njit
from numba.core.cpu import CPUTargetOptions

F = TypeVar("F", bound=Callable[..., Any])


def _options() -> dict[str, Any]:
    """No fast-math, so that every run rounds alike. Reference counts off where Numba offers that (it
    does not promise to): our kernels allocate nothing, and counting took nine tenths of their time."""
    options: dict[str, Any] = {"error_model": "numpy"}
    return options | {"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else options


_OPTIONS: Final = _options()


def compiled(function: F) -> F:
    """`function` compiled on its first call. It may read and write arrays but not make any."""
    try:
        return cast(F, njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # Numba found no folder that it may write
        folder = _private_temporary_folder()
        if folder is None:
            return cast(F, njit(**_OPTIONS)(function))
        setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 (set by Numba when it starts)
        return cast(F, njit(cache=True, **_OPTIONS)(function))


def _private_temporary_folder() -> Path | None:
    """None where the name is taken by someone else: machine code from a stranger must not run."""
    if not hasattr(os, "getuid"):
        return None
    folder = Path(tempfile.gettempdir()) / f"moe-cosim-numba-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if ours else None
