"""Tensors out of a ``torch.save`` file, without torch and without running anything in it.

Such a file is a zip of a pickle and one raw buffer per tensor. The unpickler below knows a few names,
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

from moe_cosim.errors import InputError, what_failed
from moe_cosim.plain_file import most_unpacked
from moe_cosim.workloads.routing.readers.containers.arrays import from_half_brain

_DTYPES: Final = {
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
}  # fmt: skip
_ALLOWED: Final = "a torch.save of tensors in dictionaries, lists and tuples; or such arrays saved as .npz"


@dataclass(frozen=True)
class _StorageType:
    dtype: str


def is_torch_dump(path: Path) -> bool:
    """Whether the file is a zip with a pickle where ``torch.save`` puts it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read_torch_dump(path: Path, where: Path) -> Any:
    """What was saved, with arrays in place of tensors. `InputError` calls the file `where`."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            _fits(archive, name, path)
            with archive.open(name) as file:
                return _Unpickler(file, archive, name.removesuffix("data.pkl"), path).load()
    except (
        OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, RuntimeError,
        OverflowError, MemoryError, NotImplementedError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(where, "file", what_failed(error), _ALLOWED) from None


def _fits(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    if archive.getinfo(name).file_size > most_unpacked(path):
        raise ValueError(f"{name} far larger than the file")


class _Unpickler(pickle.Unpickler):
    """Builds containers and arrays, and nothing else."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str, path: Path) -> None:
        super().__init__(file)
        self._archive, self._folder, self._path = archive, folder, path
        self._storages: dict[str, NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch", "Size"):
            return tuple
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name}, which is not plain data")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        kind, storage, key, _, count = pid
        if kind != "storage" or not isinstance(storage, _StorageType):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        name = f"{self._folder}data/{key}"
        if name not in self._storages:
            _fits(self._archive, name, self._path)
            data = self._archive.read(name)
            whole = from_half_brain(data) if storage.dtype == "bf16" else np.frombuffer(data, storage.dtype)
            if len(whole) < count:
                raise ValueError(f"{name} holds {len(whole)} numbers of {count}")
            self._storages[name] = whole
        return self._storages[name][:count]


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
