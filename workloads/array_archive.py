"""NumPy's files from strangers: what they hold is known to be arrays, and to fit, before it is read."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, what_failed
from moe_cosim.plain_file import check_plain, most_unpacked

_ENDING: Final = ".npy"


def read_npz(
    path: Path, allowed: str, names: Collection[str] | None = None, where: object = None
) -> dict[str, NDArray[Any]]:
    """The arrays of a ``.npz`` file (those of `names` that it has), of any shape, without pickles; errors call the file
    `where`.

    Raises `InputError` saying what is `allowed`, also for members that are no arrays and for a file that would take far
    more memory than its size.
    """
    at = "file"
    try:
        check_plain(path)
        with zipfile.ZipFile(path) as archive:
            members = {each.removesuffix(_ENDING): each for each in archive.namelist()}
            chosen = {name: each for name, each in members.items() if names is None or name in names}
            left = most_unpacked(path)
            for each in chosen.values():
                at = f"member {each}"
                with archive.open(each) as file:
                    left -= _bytes_of(file)
                if left < 0:
                    raise ValueError("arrays far larger than the file")
            found = {}
            for name, each in chosen.items():
                at = f"member {each}"
                with archive.open(each) as file:
                    found[name] = _read(file)
            return found
    except (OSError, EOFError, ValueError, KeyError, OverflowError, RuntimeError, MemoryError, SyntaxError) as error:
        raise InputError(where or path, at, what_failed(error), allowed) from None
    except (zipfile.BadZipFile, zlib.error, tokenize.TokenError) as error:
        raise InputError(where or path, at, what_failed(error), allowed) from None


def read_npy(path: Path, allowed: str, where: object = None) -> NDArray[Any]:
    """The array of a ``.npy`` file, of any shape; raises `InputError` as `read_npz`."""
    try:
        check_plain(path)
        with path.open("rb") as file:
            if _bytes_of(file) > path.stat().st_size:
                raise ValueError("fewer bytes than its shape says")
            file.seek(0)
            return _read(file)
    except (OSError, EOFError, ValueError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(where or path, "file", what_failed(error), allowed) from None


def _bytes_of(file: IO[bytes]) -> int:
    """What the array takes, by its header alone."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def _read(file: IO[bytes]) -> NDArray[Any]:
    found: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return found
