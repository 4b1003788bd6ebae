"""Tables of whole numbers in a file: block by block, column by column, each as narrow as its numbers allow.

A zip archive without compression (so that damage is noticed): ``header.json``, then one member per block. A
block begins with a line of JSON: per column its name, NumPy type, length and *form*, a list:

- ``["one", lowest]``: every number is that; no bytes.
- ``["<u1" | "<u2" | "<u4", lowest]``: little-endian differences to the lowest.
- ``["halves", lowest, form]``: differences beyond 32 bits, their lower halves as ``<u4``, then all upper ones.
- ``["few", lowest, count, form, form]``: the same where few have an upper half: the lower halves, then the steps
  between the rows of the `count` others, and their upper halves.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, what_failed
from moe_cosim.plain_file import TEXT_BYTES, most_unpacked

Columns = Mapping[str, NDArray[Any]]

_HEADER: Final = "header.json"
_FEW: Final = 4
"""Upper halves are kept apart where less than one in so many is not 0."""


class ColumnWriter:
    """Appends blocks to a new file; `close` makes it readable. Columns are [rows] of whole numbers. Raises
    `OSError`.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self._archive.writestr(_HEADER, json.dumps(header))
        self._blocks = 0

    def add(self, columns: Columns) -> None:
        """One block; its columns may differ in length, and from those of other blocks."""
        pieces: list[NDArray[Any]] = []
        entries = [(name, column.dtype.str, len(column), _narrow(column, pieces)) for name, column in columns.items()]
        with self._archive.open(str(self._blocks), "w", force_zip64=True) as member:
            member.write(json.dumps(entries).encode() + b"\n")
            for piece in pieces:
                member.write(piece.data)
        self._blocks += 1

    def close(self) -> None:
        """The file is whole from here on."""
        self._archive.close()

    def abandon(self) -> None:
        """The file is not wanted any more, and may be on a full disk."""
        with suppress(OSError):
            self._archive.close()


class ColumnFile:
    """What `ColumnWriter` wrote, columns [rows]. Every method raises `InputError` saying what is `allowed` for anything
    else.
    """

    def __init__(self, path: Path, allowed: str) -> None:
        self._path, self._allowed = path, allowed

    def header(self) -> dict[str, Any]:
        """What the file was begun with."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                if archive.getinfo(_HEADER).file_size > TEXT_BYTES:
                    raise ValueError("a header far larger than any")
                return dict(json.loads(archive.read(_HEADER)))
        except Exception as error:  # zip and JSON each have their own for bytes they cannot read
            raise self._refusal(error) from None

    def blocks(self) -> Iterator[dict[str, NDArray[Any]]]:
        """One by one, in the order in which they were added."""
        try:
            left = most_unpacked(self._path)
            with zipfile.ZipFile(self._path) as archive:
                for block in range(len(archive.namelist()) - 1):
                    if archive.getinfo(str(block)).file_size > left:
                        raise ValueError("a block far larger than the file")
                    line, _, data = archive.read(str(block)).partition(b"\n")
                    reader = _Reader(data)
                    entries = [
                        (str(name), np.dtype(kind), int(rows), form) for name, kind, rows, form in json.loads(line)
                    ]
                    left -= sum(rows * kind.itemsize for _, kind, rows, _ in entries)
                    if left < 0 or any(rows < 0 for _, _, rows, _ in entries):
                        raise ValueError("columns far larger than the file")
                    yield {name: reader.column(kind, rows, form) for name, kind, rows, form in entries}
        except Exception as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> InputError:
        return InputError(self._path, "file", what_failed(error), self._allowed)


def _narrow(column: NDArray[Any], pieces: list[NDArray[Any]]) -> list[Any]:
    """The form in which a column is kept; its bytes are added to `pieces`."""
    if not len(column):
        return ["one", 0]
    column = np.ascontiguousarray(column)  # a field of records: looked at three times
    lowest, highest = int(column.min()), int(column.max())
    span = highest - lowest
    if not span:
        return ["one", lowest]
    if span < 2**32:
        kind = "<u1" if span < 2**8 else "<u2" if span < 2**16 else "<u4"
        pieces.append(np.subtract(column, column.dtype.type(lowest)).astype(kind))
        return [kind, lowest]
    wide = column.astype(np.uint64) - np.uint64(lowest % 2**64)
    pieces.append(wide.astype("<u4"))
    upper = (wide >> np.uint64(32)).astype(np.uint32)
    rows = np.flatnonzero(upper)
    if _FEW * len(rows) >= len(column):
        return ["halves", lowest, _narrow(upper, pieces)]
    return ["few", lowest, len(rows), _narrow(np.diff(rows, prepend=0), pieces), _narrow(upper[rows], pieces)]


class _Reader:
    """Columns off a block's bytes, in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def column(self, kind: np.dtype[Any], rows: int, form: list[Any]) -> NDArray[Any]:
        """[rows] of type `kind`; `ValueError` or the like where the bytes do not have it."""
        how, lowest, *more = form
        if kind.kind not in "iu":
            raise ValueError(f"a column of {kind}")
        if how == "one":
            return np.full(rows, lowest, kind)
        if how in ("halves", "few"):
            wide = self._take("<u4", rows).astype(np.uint64)
            if how == "halves":
                wide += self.column(np.dtype(np.uint64), rows, more[0]) << np.uint64(32)
            else:
                if not 0 <= more[0] <= rows:
                    raise ValueError(f"{more[0]} of {rows} rows")
                places = np.cumsum(self.column(np.dtype(np.int64), more[0], more[1]))
                wide[places] += self.column(np.dtype(np.uint64), more[0], more[2]) << np.uint64(32)
            whole: NDArray[Any] = (wide + np.uint64(lowest % 2**64)).astype(kind)
            return whole
        found: NDArray[Any] = self._take(how, rows).astype(kind)
        found += kind.type(lowest)
        return found

    def _take(self, kind: str, rows: int) -> NDArray[Any]:
        found = np.frombuffer(self._data, kind, rows, self._at)
        self._at += found.nbytes
        return found
