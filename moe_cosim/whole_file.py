"""Files and folders that appear whole or not at all, whatever ends the process or fills the disk."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_whole(path: Path, data: bytes, aside: Path | None = None, flush: bool = True) -> None:
    """Write `data` in the folder `aside` (default: beside `path`, hidden) and rename it to `path`.

    Raises `OSError` with the name of `path`, leaving nothing. Contents reach the disk before the name
    appears; the name itself may be lost with the power. Without `flush` contents may be lost with it while the
    name stays: for files that say by themselves whether they are whole. What is no file (``/dev/stdout``, a pipe) is
    written to as it is.
    """
    if aside is None and (path.is_char_device() or path.is_fifo()):
        path.write_bytes(data)
        return
    name = f"{path.name}-{_host()}-{os.getpid()}"
    temporary = path.with_name(f".{name}") if aside is None else aside / name
    try:
        file = _new(temporary)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            if flush:
                os.fsync(file)
        finally:
            os.close(file)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(temporary, path)
    except BaseException as error:  # an interrupt too
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill bit by bit, which becomes `path` when the block ends well; as `write_whole` otherwise."""
    if path.is_char_device() or path.is_fifo():
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}-{_host()}-{os.getpid()}")
    try:
        with os.fdopen(_new(temporary), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def _new(path: Path) -> int:
    """A file just made. What stands there (left by a dead process, or a link that somebody laid) is not written to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:
        path.unlink()
        return os.open(path, flags, 0o666)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill, which becomes `path` when the block ends well; missing parents are made.

    `path` must not exist, or be an empty folder. Where the block or the disk fails nothing is left,
    not even the parents. Raises `OSError`.
    """
    target = path.resolve()
    new_parents = [folder for folder in target.parents if not folder.exists()]
    aside = target.parent / f".{target.name}-{uuid4().hex}"
    try:
        aside.mkdir(parents=True)
        yield aside
        if target.exists():
            target.rmdir()
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):  # not empty: the new folder is in it
            for folder in new_parents:
                folder.rmdir()


def remove_left_aside(aside: Path, pids: set[int]) -> None:
    """Remove what processes of this host, known to be dead, left unfinished in the folder `aside`."""
    endings = tuple(f"-{_host()}-{pid}" for pid in pids)
    for path in aside.iterdir() if endings else ():
        if path.name.endswith(endings):
            path.unlink(missing_ok=True)


@cache
def _host() -> str:
    return "".join(letter if letter.isalnum() or letter == "." else "_" for letter in socket.gethostname())
