"""Arrays by name, as the layouts take them, from every container that has such."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain

Arrays = dict[str, NDArray[Any]]

LONE: Final = "array"
"""Name of the one array of a .npy, or of a saved tensor, which has none."""
MOST_EXPERTS: Final = 65536
"""Of one layer: ids are of 16 bits."""


def take(arrays: Arrays, name: str, dimensions: int, kinds: str, path: Path) -> NDArray[Any]:
    """The array `name`, of as many `dimensions` and a dtype kind of `kinds`. Raises `InputError` where it is absent or
    of another shape or kind.
    """
    if name not in arrays:
        raise InputError(path, name, Plain(f"no such array (only {', '.join(arrays)})"), f"an array {name}")
    array = arrays[name]
    if array.ndim != dimensions or array.dtype.kind not in kinds:
        words = {"i": "integers", "u": "integers", "f": "numbers", "U": "text"}
        wanted = " or ".join(dict.fromkeys(words[kind] for kind in kinds))
        raise InputError(path, name, Plain(f"{array.dtype} of shape {array.shape}"), f"{dimensions}-d {wanted}")
    return array


def as_expert_ids(array: NDArray[Any], path: Path, field: str = "experts") -> NDArray[np.uint16]:
    """Integers of any shape as expert ids. Raises `InputError` for what does not fit."""
    if array.size and (int(array.min()) < 0 or int(array.max()) >= MOST_EXPERTS):
        raise InputError(path, field, Plain(f"ids {array.min()} to {array.max()}"), "ids from 0 to 65535")
    return np.ascontiguousarray(array, np.uint16)


def from_half_brain(data: bytes) -> NDArray[np.float32]:
    """bfloat16, which NumPy does not know, as float32. [n] of 2 n bytes."""
    return (np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)).view("<f4")
