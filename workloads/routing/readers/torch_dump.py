"""Integer tensors out of a ``torch.save`` file, without torch and without running anything in it.

Such a file is a zip of a pickle and one raw buffer per tensor. The unpickler below knows four names,
all of which only build plain data; any other name is refused, so a file cannot run code.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import Arrays

_DTYPES: Final = {"LongStorage": "<i8", "IntStorage": "<i4"}
_ALLOWED: Final = "a torch.save of a dictionary with an integer tensor logical_count; or that tensor saved as .npy"


@dataclass(frozen=True)
class _StorageType:
    dtype: str


def is_torch_dump(path: Path) -> bool:
    """Whether the file is a zip with a pickle where ``torch.save`` puts it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_torch_dump(path: Path) -> Arrays:
    """The integer tensors of the saved dictionary, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                data = _Unpickler(file, archive, name.removesuffix("data.pkl")).load()
    except (
        OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError,
        OverflowError, MemoryError, NotImplementedError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(path, "file", Plain(f"{type(error).__name__}: {error}"), _ALLOWED) from None
    if not isinstance(data, dict):
        raise InputError(path, "file", Plain(type(data).__name__), _ALLOWED)
    return {str(key): value for key, value in data.items() if isinstance(value, np.ndarray)}


class _Unpickler(pickle.Unpickler):
    """Builds containers and integer arrays, and nothing else."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name}, which is not plain data")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        kind, storage, key, _, count = pid
        if kind != "storage" or not isinstance(storage, _StorageType):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        data = self._archive.read(f"{self._folder}data/{key}")
        return np.frombuffer(data, storage.dtype, count=count)


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
    """A contiguous tensor on its storage; others are refused."""
    expected, step = [], 1
    for length in reversed(size):
        expected.append(step)
        step *= length
    if any(s != e for s, e, n in zip(stride, reversed(expected), size, strict=True) if n > 1):
        raise pickle.UnpicklingError("a tensor that is not contiguous")
    array: NDArray[Any] = storage[offset : offset + step].reshape(size)
    return array
