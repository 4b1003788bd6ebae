"""The header of a ``.gguf`` file: its keys, and which tensors there are; none of their data (ggml-org/ggml,
its specification of GGUF, versions 2 and 3).

Written out here because files come from strangers: the package ``gguf`` believes the counts that a file says, keeps
every element of a tokenizer as an object, and wants the data of all tensors to be there.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, Plain, what_failed

MAGIC: Final = b"GGUF"
_NUMBERS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_MOST_HEADER_BYTES: Final = 1 << 26
"""Tokenizers with their merges take some ten million bytes."""
_MOST_KEPT: Final = 4096
"""Numbers of an array that is kept; longer ones, and all arrays of text, are known by their length."""
_MOST_DIMENSIONS: Final = 4


@dataclass(frozen=True)
class Length:
    """Of an array that is not kept."""

    elements: int


@dataclass(frozen=True)
class Tensor:
    """One entry of the list of tensors."""

    name: str
    shape: tuple[int, ...]
    """The dimension that lies together first."""
    type: int
    """ggml's number of it."""
    offset: int
    """From `Header.data_start`."""


@dataclass(frozen=True)
class Header:
    """What stands before the tensors' data."""

    keys: dict[str, Any]
    """Numbers, text, flags, short lists of numbers, and `Length` of other arrays."""
    tensors: tuple[Tensor, ...]
    data_start: int


def read_header(path: Path) -> Header:
    """Raises `InputError` for what is no whole header. Reads no more of the file than that."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reading(data).header()
    except OSError as error:
        raise InputError(path, "file", what_failed(error), "a readable .gguf file") from None
    except (ValueError, struct.error) as error:  # ValueError: also what is empty, and text that is none
        found = "a cut header" if isinstance(error, struct.error) else str(error)
        raise InputError(path, "header", Plain(found), "a whole GGUF header, version 2 or 3") from None


class _Reading:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0
        self._end = min(len(data), _MOST_HEADER_BYTES)

    def header(self) -> Header:
        magic, version = self._take("4sI")
        if magic != MAGIC:
            raise ValueError("something else")
        if version not in (2, 3):
            big = version & 0xFFFF == 0
            raise ValueError("the byte order of other processors" if big else f"version {version}")
        tensors, count = self._take("QQ")
        self._room_for(tensors, 24)
        self._room_for(count, 13)
        keys: dict[str, Any] = {}
        for _ in range(count):
            name = self._text()
            if name in keys:
                raise ValueError(f"key {name!r} twice")
            keys[name] = self._value(*self._take("I"))
        found = tuple(self._tensor() for _ in range(tensors))
        alignment = keys.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
            raise ValueError(f"an alignment of {alignment!r}")
        return Header(keys, found, -(-self._at // alignment) * alignment)

    def _tensor(self) -> Tensor:
        name, (dimensions,) = self._text(), self._take("I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"tensor {name!r} of {dimensions} dimensions")
        shape = self._take(f"{dimensions}Q")
        return Tensor(name, shape, *self._take("IQ"))

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self._text()
        if kind == _ARRAY:
            return self._array(*self._take("IQ"))
        return self._take(_format(kind))[0]

    def _array(self, kind: int, count: int) -> Any:
        if kind == _TEXT:
            self._room_for(count, 8)
            for _ in range(count):
                self._skip(*self._take("Q"))
            return Length(count)
        size = struct.calcsize(f"<{_format(kind)}")
        self._room_for(count, size)
        if count <= _MOST_KEPT:
            return list(self._take(f"{count}{_format(kind)}"))
        self._skip(count * size)
        return Length(count)

    def _text(self) -> str:
        (length,) = self._take("Q")
        begin = self._at
        self._skip(length)
        return self._data[begin : self._at].decode()

    def _take(self, form: str) -> tuple[Any, ...]:
        begin = self._at
        self._skip(struct.calcsize(f"<{form}"))
        return struct.unpack_from(f"<{form}", self._data, begin)

    def _skip(self, count: int) -> None:
        self._room_for(count, 1)
        self._at += count

    def _room_for(self, count: int, bytes_each: int) -> None:
        if count * bytes_each > self._end - self._at:
            raise ValueError(f"{count} entries or bytes where {self._end - self._at} bytes are left")


def _format(kind: int) -> str:
    if kind not in _NUMBERS:
        raise ValueError(f"a value of type {kind}")
    return _NUMBERS[kind]
