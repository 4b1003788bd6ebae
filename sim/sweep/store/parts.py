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
from moe_cosim.errors import RunError
from moe_cosim.plain_file import most_unpacked
from moe_cosim.sim.sweep.store.record import DamagedError, PointRecord, from_text
from moe_cosim.whole_file import write_whole

RECORD: Final = "record"
"""The column with the whole record as JSON, beside the flat ones."""

_TEXTS: Final = ("point_id", RECORD, "status", "configuration", "code", "sources", "files", "finished_utc")
"""Columns that every part has as text (older ones lack some)."""
_MOST_ROWS: Final = 10**6
"""A part of ours has a fiftieth."""
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
    """Whether the part has it; its header alone is read."""
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
    """Every record of one part. Raises `RunError` where one is none: no accident, for the checksum was right."""
    found = _parquet().read_table(part, columns=["point_id", RECORD]).to_pydict()
    try:
        return [from_text(text, each) for each, text in zip(found["point_id"], found[RECORD], strict=True)]
    except DamagedError as error:
        raise RunError(f"{part}: {error}; remove the file, 'moe-cosim sweep run' computes its points again") from None


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
    return _seen_whole(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=1024)
def _seen_whole(path: Path, size: int, changed_ns: int, inode: int) -> bool:
    """Whether the content is what the name says, and columns are what is read of them by name."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != path.stem.removeprefix("part-"):
            return False
    try:
        about = _parquet().read_metadata(path)
        groups = [about.row_group(number).total_byte_size for number in range(about.num_row_groups)]
        kinds = {field.name: str(field.type) for field in about.schema.to_arrow_schema()}
    except (OSError, ValueError):
        return False
    if about.num_rows > _MOST_ROWS or sum(groups) > most_unpacked(path):
        return False
    return {"point_id", RECORD} <= kinds.keys() and all(kinds.get(name, "string") == "string" for name in _TEXTS)


def _parquet() -> Any:
    return extras.load("pyarrow.parquet")
