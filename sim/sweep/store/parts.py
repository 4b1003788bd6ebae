"""Compacted points: Parquet files named after the SHA-256 of their content, so that damage shows."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from moe_cosim import extras
from moe_cosim.sim.sweep.store.record import PointRecord, from_text
from moe_cosim.whole_file import write_whole

RECORD: Final = "record"
"""The column with the whole record as JSON, beside the flat ones."""

_ATTEMPTS: Final = 5

T = TypeVar("T")


def steadily(read: Callable[[], T]) -> T:
    """`read()`, again where a part went while it was read: a collection had merged it into another."""
    for _ in range(_ATTEMPTS):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


def whole(folder: Path) -> list[Path]:
    """Every part whose content is what its name says."""
    return steadily(lambda: [path for path in _parts(folder) if _is_whole(path)])


def damaged(folder: Path) -> list[Path]:
    """Every part that is not."""
    return steadily(lambda: [path for path in _parts(folder) if not _is_whole(path)])


def ids(folder: Path) -> set[str]:
    """The points of every whole part."""
    return steadily(lambda: {each for path in whole(folder) for each in ids_of(path)})


def has_column(part: Path, column: str) -> bool:
    return column in _parquet().read_schema(part).names


def ids_of(part: Path) -> list[str]:
    """The points of one part."""
    return [str(each) for each in _parquet().read_table(part, columns=["point_id"])["point_id"].to_pylist()]


def record(folder: Path, point_id: str) -> PointRecord | None:
    """One point's record, or None."""
    for path in whole(folder):
        found = _parquet().read_table(path, columns=[RECORD], filters=[("point_id", "=", point_id)])
        if len(found):
            return from_text(found[RECORD][0].as_py(), point_id)
    return None


def records(part: Path) -> list[PointRecord]:
    """Every record of one part."""
    found = _parquet().read_table(part, columns=["point_id", RECORD]).to_pydict()
    return [from_text(text, each) for each, text in zip(found["point_id"], found[RECORD], strict=True)]


def write(folder: Path, kept: Sequence[PointRecord], aside: Path) -> Path:
    """A part with these records; read back before it counts. Raises `OSError`, leaving nothing."""
    from moe_cosim.sim.sweep.store.columns import row
    from moe_cosim.sim.sweep.store.table import table

    parquet = _parquet()
    ordered = sorted(kept, key=lambda each: each.point_id)
    buffer = io.BytesIO()
    parquet.write_table(table([{**row(each), RECORD: each.text()} for each in ordered]), buffer, compression="zstd")
    data = buffer.getvalue()
    path = folder / f"part-{hashlib.sha256(data).hexdigest()}.parquet"
    write_whole(path, data, aside)
    if not _is_whole(path) or [each.point_id for each in ordered] != ids_of(path):
        raise OSError(None, f"{path.name} reads back other than it was written")
    return path


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _is_whole(path: Path) -> bool:
    found = os.stat(path)
    return _sha256(path, found.st_size, found.st_mtime_ns, found.st_ino) == path.stem.removeprefix("part-")


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, changed_ns: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet() -> Any:
    return extras.load("pyarrow.parquet")
