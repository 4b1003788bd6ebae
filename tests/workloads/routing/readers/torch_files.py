"""Files laid out as ``torch.save`` does, made without torch."""

from __future__ import annotations

import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


class _Storage:
    def __init__(self, data: np.ndarray, key: str, storage_type: type) -> None:
        self.data, self.key, self.type = data, key, storage_type


def torch_file(path: Path, value: object, kind: str | None = None) -> Path:
    """`value` with its arrays as tensors; `kind` claims another storage for them than their own."""
    utils, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")
    names = {"i8": "LongStorage", "i4": "IntStorage", "f4": "FloatStorage", "f2": "HalfStorage", "u1": "ByteStorage"}
    types_by_name = {name: type(name, (), {"__module__": "torch"}) for name in {*names.values(), kind or "LongStorage"}}
    for name, cls in types_by_name.items():
        setattr(torch, name, cls)

    def _rebuild_tensor_v2(*_: object) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    storages = {id(array): _Storage(array, str(place), types_by_name[kind or names[array.dtype.str[1:]]])
                for place, array in enumerate(_arrays(value))}  # fmt: skip

    class Pickler(pickle._Pickler):  # type: ignore[misc]
        def persistent_id(self, item: object) -> object:
            if isinstance(item, _Storage):
                return ("storage", item.type, item.key, "cpu", item.data.size)
            return None

    class Tensor:
        def __init__(self, data: np.ndarray) -> None:
            self.data = data

        def __reduce__(self) -> object:
            steps = tuple(s // self.data.itemsize for s in self.data.strides)
            return (_rebuild_tensor_v2, (storages[id(self.data)], 0, self.data.shape, steps, False, None))

    def tensors(of: Any) -> Any:
        if isinstance(of, np.ndarray):
            return Tensor(of)
        if isinstance(of, dict):
            return {key: tensors(each) for key, each in of.items()}
        return type(of)(map(tensors, of)) if isinstance(of, list | tuple) else of

    modules = {"torch": torch, "torch._utils": utils}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("dump/data.pkl", "w") as file:
                Pickler(file, 2).dump(tensors(value))
            for storage in storages.values():
                archive.writestr(f"dump/data/{storage.key}", np.ascontiguousarray(storage.data).tobytes())
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return path


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from (array for each in value.values() for array in _arrays(each))
    elif isinstance(value, list | tuple):
        yield from (array for each in value for array in _arrays(each))
