"""Tensors of float32 of a ``.gguf`` file, and nothing else of it (the format: ggml-org/ggml, GGUF versions 2 and 3).

Counts of entries and lengths come from the file, so each is held against the bytes that are left.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import Arrays

MAGIC: Final = b"GGUF"
_SCALAR_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _ARRAY, _UINT32, _FLOAT32 = 8, 9, 4, 0
_LEAST_ENTRY: Final = 12
"""Bytes of the smallest entry of a header: no loop runs longer than the file is."""


def read_gguf(path: Path, where: Path) -> Arrays:
    """Tensors by name, rows first; those of other types are left out. `InputError` calls the file `where`."""
    try:
        with path.open("rb") as file:
            return _Header(file, path.stat().st_size).tensors()
    except (ValueError, OverflowError, struct.error, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            where, "header", Plain(str(error) or "a cut header"), "a whole GGUF file, version 2 or 3"
        ) from None


class _Header:
    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        magic, version, self._count, self._keys = self._read("<4sIQQ")
        if magic != MAGIC or version not in (2, 3):
            raise ValueError(f"version {version}")
        if (self._count + self._keys) * _LEAST_ENTRY > size:
            raise ValueError(f"{self._count} tensors and {self._keys} keys in {size} bytes")

    def tensors(self) -> Arrays:
        alignment = 32
        for _ in range(self._keys):
            name, value = self._text(), self._value()
            if name == "general.alignment" and isinstance(value, int):
                alignment = value
        if not 1 <= alignment <= 2**20:
            raise ValueError(f"an alignment of {alignment}")
        listed = [self._tensor() for _ in range(self._count)]
        start = -(-self._file.tell() // alignment) * alignment
        found: Arrays = {}
        for name, shape, kind, offset in listed:
            if kind != _FLOAT32:
                continue
            data = self._bytes_at(start + offset, 4 * math.prod(shape), name)
            found[name] = np.frombuffer(data, "<f4").reshape(shape[::-1])
        return found

    def _tensor(self) -> tuple[str, list[int], int, int]:
        name = self._text()
        (dimensions,) = self._read("<I")
        if dimensions > 8:
            raise ValueError(f"tensor {name} of {dimensions} dimensions")
        shape = list(self._read(f"<{dimensions}Q"))
        kind, offset = self._read("<IQ")
        return name, shape, kind, offset

    def _value(self) -> Any:
        """A whole number, or None for what is skipped."""
        (kind,) = self._read("<I")
        if kind == _TEXT:
            return self._text()
        if kind == _ARRAY:
            kind, count = self._read("<IQ")
            if kind == _TEXT:
                self._fits(8 * count)
                for _ in range(count):
                    self._text()
            else:
                self._skip(_scalar(kind) * count)
            return None
        if kind == _UINT32:
            return self._read("<I")[0]
        self._skip(_scalar(kind))
        return None

    def _text(self) -> str:
        (length,) = self._read("<Q")
        self._fits(length)
        return self._file.read(length).decode()

    def _read(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self._file.read(struct.calcsize(form)))

    def _skip(self, count: int) -> None:
        self._fits(count)
        self._file.seek(count, 1)

    def _fits(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise ValueError(f"{count} bytes beyond the end of the file")

    def _bytes_at(self, start: int, count: int, name: str) -> bytes:
        if start + count > self._size:
            raise ValueError(f"tensor {name} beyond the end of the file")
        self._file.seek(start)
        return self._file.read(count)


def _scalar(kind: int) -> int:
    if kind not in _SCALAR_BYTES:
        raise ValueError(f"a value of type {kind}")
    return _SCALAR_BYTES[kind]
