"""Numba, set up once: reproducible, fast, and cached wherever the package is installed.

Machine code is kept in the user's cache folder, never beside the source as Numba does: uninstalling
would leave it there. Where that folder cannot be written (no HOME on a compute node, say) one in the
temporary directory, which only this user can touch, takes its place. Where that cannot be had
either, or the disk is full, the code is compiled anew in every process.
"""

from __future__ import annotations

import gc
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from types import CodeType, FunctionType
from typing import Any, Final, TypeVar, cast

import numba
from numba import njit
from numba.core import event
from numba.core.cpu import CPUTargetOptions
from numba.core.runtime.nrt import rtsys
from platformdirs import user_cache_path

from moe_cosim.compiling import compiling

F = TypeVar("F", bound=Callable[..., Any])

_CONFIG: Final[Any] = numba.config
"""Its attributes are set by Numba when it starts."""

_MAY_MAKE_ARRAYS: Final[dict[str, Any]] = {"error_model": "numpy", "no_cfunc_wrapper": True}
"""No fast-math, so that every run rounds alike."""
_MAKES_NO_ARRAYS: Final = _MAY_MAKE_ARRAYS | ({"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else {})
"""Reference counts off where Numba offers that (it does not promise to): counting took nine tenths of
the time of kernels that allocate nothing."""

_IS_A_PART: Final = _MAKES_NO_ARRAYS | {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _Listener(event.Listener):
    """Numba says when it compiles; what it finds in its cache it does not compile.

    Meanwhile Python looks for no cycles among what Numba makes, nearly all of which stays.
    """

    def __init__(self) -> None:
        self._collecting: list[bool] = []
        """Whether Python did, before each of the compilations that are under way."""

    def on_start(self, event: event.Event) -> None:
        compiling.begin()
        self._collecting.append(gc.isenabled())
        gc.disable()

    def on_end(self, event: event.Event) -> None:
        if self._collecting.pop():
            gc.enable()
        compiling.end()


event.register("numba:compile", _Listener())  # type: ignore[no-untyped-call]


def compiled(function: F) -> F:
    """`function` compiled on its first call. It may read and write arrays but not make any."""
    return _compiled(function, _MAKES_NO_ARRAYS)


def compiled_part(function: F) -> F:
    """`function` as a part of the `compiled` functions that call it, in whose code it is put. Python cannot call it.

    A function of its own would be compiled three times, as one for Python, for C and for its callers, and be handed
    every field of every array.
    """
    return cast(F, njit(**_IS_A_PART)(function))


def compiled_making_arrays(function: F) -> F:
    """`function` compiled on its first call. Slower than `compiled` where arrays are looked at in inner loops."""
    return _compiled(function, _MAY_MAKE_ARRAYS)


def _compiled(function: F, options: dict[str, Any]) -> F:
    folder = _CONFIG.CACHE_DIR or _user_folder() or _private_temporary_folder()
    if folder:
        with suppress(RuntimeError):  # Numba can write neither where it was told to nor anywhere else
            return _cached(function, options, str(folder))
    compiling.keeps = False
    return cast(F, njit(**options)(function))


def _cached(function: F, options: dict[str, Any], folder: str) -> F:
    given = _CONFIG.CACHE_DIR
    try:
        _CONFIG.CACHE_DIR = folder
        dispatcher = njit(cache=True, **options)(function)
    finally:
        _CONFIG.CACHE_DIR = given
    cache = dispatcher._cache
    cache._guard_against_spurious_io_errors = lambda: _forgiving(cache)
    cache.load_overload = partial(_load, cache, dispatcher)
    return cast(F, dispatcher)


def _load(cache: Any, dispatcher: Any, signature: Any, target: Any) -> Any:
    """What the cache has, or None. Numba would first import all that it can compile, which takes a quarter of a
    second; code that is compiled needs its runtime alone. And it would take what was compiled with other callees."""
    cache._cache_file._source_stamp = _stamp(dispatcher.py_func)
    rtsys.initialize(target)
    with cache._guard_against_spurious_io_errors():
        return cache._load_overload(signature, target)


def _stamp(function: Any) -> tuple[Any, ...]:
    """Of all that was compiled into `function`: the files of the functions it calls, and the constants they name."""
    seen: dict[Any, None] = {}
    files: set[str] = set()
    values: set[str] = set()
    _look(function, seen, files, values)
    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in sorted(files)]
    return (*stats, *sorted(values))


def _look(function: Any, seen: dict[Any, None], files: set[str], values: set[str]) -> None:
    code = function.__code__
    if code in seen:
        return
    seen[code] = None
    files.add(code.co_filename)
    for name in _names(code):
        found = function.__globals__.get(name)
        callee = getattr(found, "py_func", found)
        if isinstance(callee, FunctionType) and callee.__module__.partition(".")[0] not in ("numba", "numpy"):
            _look(callee, seen, files, values)
        elif isinstance(found, bool | int | float | str | tuple):
            values.add(f"{function.__module__}.{name}={found!r}")


def _names(code: CodeType) -> set[str]:
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*map(_names, inner))


@contextmanager
def _forgiving(cache: Any) -> Iterator[None]:
    """What goes wrong with the cache costs the next process a second, not this one its result: a full disk
    (Numba forgives that on Windows only), or an entry of an older version whose classes have moved since."""
    try:
        yield
    except OSError:
        pass
    except (ImportError, AttributeError, EOFError, UnpicklingError):
        with suppress(OSError):
            cache.flush()


def _user_folder() -> Path | None:
    folder = user_cache_path("moe-cosim") / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def _private_temporary_folder() -> Path | None:
    """None where there is none, or the name is taken by someone else: machine code from a stranger must not run."""
    if not hasattr(os, "getuid"):
        return None
    try:
        folder = Path(tempfile.gettempdir()) / f"moe-cosim-numba-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if ours else None
