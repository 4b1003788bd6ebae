"""Tensors of a folder of safetensors files by name, one at a time, unpacked to 16 or 32 bits."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.extras import load
from moe_cosim.plain_file import check_plain, read_plain

if TYPE_CHECKING:
    from torch import Tensor

_ONE: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_PLAIN: Final = ("F32", "F16", "BF16")
_FP8: Final = ("F8_E4M3", "F8_E5M2")
_SCALES: Final = ("_scale_inv", "_scale")
"""What stands beside an 8-bit weight: DeepSeek-V3's blocks (its ``weight_scale_inv`` multiplies, too), or
compressed-tensors' scales of rows."""


class Shards:
    """Where every tensor of a folder is. Nothing is kept open or read twice."""

    def __init__(self, folder: Path) -> None:
        """Raises `InputError` for a folder without safetensors, for missing shards and for files that are none."""
        self.folder = folder
        self._open = load("safetensors", "reading weights", "quantize").safe_open
        load("torch", "reading weights", "quantize")
        self._file_of = self._indexed() if (folder / _INDEX).exists() else self._listed([_ONE])

    def names(self) -> list[str]:
        """All tensors of the folder, sorted."""
        return sorted(self._file_of)

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises `InputError` for a tensor that the folder lacks."""
        with self._opened(self._at(name)) as file:
            return tuple(file.get_slice(name).get_shape())

    def tensor(self, name: str, part: int | None = None) -> Tensor:
        """A tensor, or element `part` of its first dimension: as stored in 16 or 32 bits, float32 of 8 with scales.

        Raises `InputError` naming file and tensor for one that is missing, of another type, or not finite.
        """
        path = self._at(name)
        with self._opened(path) as file:
            stored = file.get_slice(name)
            kind = stored.get_dtype()
            if kind not in (*_PLAIN, *_FP8):
                raise InputError(path, name, Plain(kind), f"one of {', '.join((*_PLAIN, *_FP8))}")
            found = file.get_tensor(name) if part is None else self._part(stored, name, part)
        if kind in _FP8:
            found = self._scaled(found, name, part)
        if not bool(found.isfinite().all()):
            raise InputError(path, name, Plain("a value that is not finite"), "finite weights")
        return found

    def raw(self, name: str, part: int) -> Tensor:
        """Element `part` of a tensor of bytes. Raises `InputError` for a tensor of another type."""
        path = self._at(name)
        with self._opened(path) as file:
            stored = file.get_slice(name)
            if stored.get_dtype() != "U8":
                raise InputError(path, name, Plain(stored.get_dtype()), "U8")
            return self._part(stored, name, part)

    def _part(self, stored: Any, name: str, part: int) -> Tensor:
        shape = stored.get_shape()
        if len(shape) < 3 or part >= shape[0]:
            raise InputError(self._at(name), name, Plain(str(shape)), f"a fused tensor of more than {part} experts")
        found: Tensor = stored[part]
        return found

    def _scaled(self, weight: Tensor, name: str, part: int | None) -> Tensor:
        scale = next((name + ending for ending in _SCALES if name + ending in self), None)
        if scale is None:
            raise InputError(self._at(name), name, Plain("8 bits without a scale"), f"{name}{_SCALES[0]} beside it")
        with self._opened(self._at(scale)) as file:
            scales = (
                file.get_tensor(scale) if part is None else self._part(file.get_slice(scale), scale, part)
            ).float()
        if scales.ndim == weight.ndim:
            for axis in range(weight.ndim):
                size, blocks = weight.shape[axis], scales.shape[axis]
                scales = scales.repeat_interleave(block_size(size, blocks), dim=axis).narrow(axis, 0, size)
        return weight.float() * scales

    def _at(self, name: str) -> Path:
        if name not in self._file_of:
            raise InputError(self.folder, name, Plain("no such tensor"), "all tensors of the model")
        return self._file_of[name]

    def _indexed(self) -> dict[str, Path]:
        path = self.folder / _INDEX
        try:
            listed = json.loads(read_plain(path).decode())["weight_map"]
            files = {str(name): Path(str(file)).name for name, file in listed.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(path, "weight_map", what_failed(error), "tensor names and their files") from None
        shards = sorted(set(files.values()))
        missing = [shard for shard in shards if not (self.folder / shard).is_file()]
        if missing:
            found = Plain(f"no {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))
            raise InputError(self.folder, "shards", found, f"the {len(shards)} files that {_INDEX} names")
        held = self._listed(shards)
        lost = [name for name, file in files.items() if held.get(name) != self.folder / file]
        if lost:
            raise InputError(self.folder / files[lost[0]], lost[0], Plain("no such tensor"), f"what {_INDEX} says")
        return held

    def _listed(self, files: list[str]) -> dict[str, Path]:
        found = {}
        for file in files:
            path = self.folder / file
            if not path.exists():
                raise InputError(self.folder, "folder", Plain(f"no {file}"), f"a folder with {_ONE} or {_INDEX}")
            with self._opened(path) as opened:
                found.update(dict.fromkeys(opened.keys(), path))
        return found

    def _opened(self, path: Path) -> Any:
        with suppress(Exception):
            check_plain(path)
            return self._open(path, framework="pt")
        raise InputError(path, "file", Plain("a damaged or cut file"), "a whole safetensors file")


def block_size(size: int, blocks: int) -> int:
    """How many of `size` weights share each of `blocks` scales: all, a power of 2, or as many as go in evenly."""
    if blocks == 1:
        return size
    power: int = 1 << (-(-size // blocks) - 1).bit_length()
    return power if -(-size // power) == blocks else -(-size // blocks)
