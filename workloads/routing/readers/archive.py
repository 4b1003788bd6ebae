"""Arrays out of .npz and .npy files, without unpickling and without trusting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.array_archive import read_npy, read_npz

Arrays = dict[str, NDArray[Any]]

LONE: Final = "array"
"""Name of the one array of a .npy, which has none."""
MOST_EXPERTS: Final = 65536
"""Of one layer: ids are of 16 bits."""
_NPY: Final = b"\x93NUMPY"
_ZIP: Final = b"PK\x03\x04"
_ALLOWED: Final = "a complete .npz or .npy of plain arrays (no pickled objects), or JSON lines"


def read_head(path: Path) -> bytes:
    """The first bytes of a file that can be read and is not empty."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise InputError(path, "file", Plain(type(error).__name__), "a readable routing trace") from None
    if not head:
        raise InputError(path, "file", Plain("an empty file"), "a routing trace")
    return head


def read_archive(path: Path) -> Arrays:
    """All arrays of an .npz; a lone .npy is `LONE`."""
    head = read_head(path)
    if not head.startswith((_NPY, _ZIP)):
        raise InputError(path, "file", Plain(f"bytes {head[:4]!r} at its start"), _ALLOWED)
    if head.startswith(_NPY):
        return {LONE: read_npy(path, _ALLOWED)}
    return read_npz(path, _ALLOWED)


def take(arrays: Arrays, name: str, dimensions: int, kinds: str, path: Path) -> NDArray[Any]:
    """The array `name`, which must exist, with that many dimensions and a dtype kind of `kinds`."""
    if name not in arrays:
        raise InputError(path, name, Plain(f"no such array (only {', '.join(arrays)})"), f"an array {name}")
    array = arrays[name]
    if array.ndim != dimensions or array.dtype.kind not in kinds:
        words = {"i": "integers", "u": "integers", "f": "numbers", "U": "text"}
        wanted = " or ".join(dict.fromkeys(words[kind] for kind in kinds))
        raise InputError(path, name, Plain(f"{array.dtype} of shape {array.shape}"), f"{dimensions}-d {wanted}")
    return array


def as_expert_ids(array: NDArray[Any], path: Path) -> NDArray[np.uint16]:
    """Integers as expert ids; refuses what does not fit."""
    if array.size and (int(array.min()) < 0 or int(array.max()) >= MOST_EXPERTS):
        raise InputError(path, "experts", Plain(f"ids {array.min()} to {array.max()}"), "ids from 0 to 65535")
    return np.ascontiguousarray(array, np.uint16)
