"""Columns of whole numbers are read as they were written, in fewer bytes."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from moe_cosim.column_file import ColumnFile, ColumnWriter
from moe_cosim.errors import InputError
from tests.drawn import drawn

KINDS = ["<u1", "<u2", "<u4", "<u8", "<i2", "<i4", "<i8"]


@st.composite
def columns(draw: st.DrawFn) -> np.ndarray:
    """Of any type and spread: the whole of it, near each other, or near but for a few."""
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    info, rows = np.iinfo(kind), draw(st.integers(0, 40))
    low = draw(st.integers(info.min, info.max))
    high = min(low + draw(st.sampled_from([0, 1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63])), info.max)
    found = draw(arrays.arrays(kind, rows, elements=st.integers(low, high)))
    for row in draw(st.lists(st.integers(0, max(rows - 1, 0)), max_size=2 if rows else 0)):
        found[row] = draw(st.integers(info.min, info.max))
    return found


@drawn(100, 300, blocks=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), columns()), max_size=3))
def test_blocks_are_read_as_they_were_written(blocks: list[dict[str, np.ndarray]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "f.zip"
        writer = ColumnWriter(path, {"about": [1, "x"]})
        for block in blocks:
            writer.add(block)
        writer.close()
        file = ColumnFile(path, "a file of columns")
        assert file.header() == {"about": [1, "x"]}
        found = list(file.blocks())
    assert [list(block) for block in found] == [list(block) for block in blocks]
    for read, written in zip(found, blocks, strict=True):
        for name, column in written.items():
            assert read[name].dtype == column.dtype
            np.testing.assert_array_equal(read[name], column)


@pytest.mark.parametrize(
    ("column", "bytes_per_row"),
    [
        (np.full(10_000, 2**40), 0),
        (2**40 + np.arange(10_000) % 256, 1),
        (np.arange(10_000) - 5_000, 2),
        (np.arange(10_000) * 2**24, 5),
        (np.where(np.arange(10_000) % 1_000, 2**31, 2**60), 4),
    ],
    ids=["one number", "near each other", "around 0", "far apart", "but for a few"],
)
def test_columns_take_what_their_numbers_need(tmp_path: Path, column: np.ndarray, bytes_per_row: int) -> None:
    writer = ColumnWriter(tmp_path / "f.zip", {})
    writer.add({"x": column})
    writer.close()
    size = (tmp_path / "f.zip").stat().st_size
    assert bytes_per_row * len(column) <= size < bytes_per_row * len(column) + 700  # headers


BOMBS = {
    "one number, often": [["x", "<i8", 2**40, ["one", 0]]],
    "many columns": [[f"x{number}", "<i8", 2**25, ["one", 0]] for number in range(40)],
    "fewer than none": [["x", "<i8", -1, ["one", 0]]],
    "more exceptions than rows": [["x", "<i8", 1, ["few", 0, 2**40, ["one", 0], ["one", 0]]]],
    "no bytes": [["x", "<i8", 10, ["<u4", 0]]],
    "no numbers": [["x", "O", 10, ["one", 0]]],
}


@pytest.mark.parametrize("entries", BOMBS.values(), ids=BOMBS)
def test_sizes_are_known_before_anything_is_made(tmp_path: Path, entries: list[list[object]]) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("0", json.dumps(entries) + "\n" + "\0" * 8)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"f\.zip: file: found .*; allowed: a file of columns"):
            list(ColumnFile(tmp_path / "f.zip", "a file of columns").blocks())
        assert tracemalloc.get_traced_memory()[1] < 2**29
    finally:
        tracemalloc.stop()


def test_a_deflated_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"a": "' + " " * 2**26 + '"}')
    with pytest.raises(InputError, match="far larger"):
        ColumnFile(tmp_path / "f.zip", "a file of columns").header()
