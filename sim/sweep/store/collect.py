"""Point files into few Parquet parts, every checksum compared on the way."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.record import DamagedError, PointRecord
from moe_cosim.sim.sweep.store.store import Store

POINTS_PER_PART: Final = 20_000
"""Some 40 MB of Parquet; what one damaged part can cost."""


@dataclass(frozen=True)
class Collected:
    """What `collect` found and did."""

    points: int
    """In whole parts now."""
    compacted: int
    """Moved from files of their own this time."""
    parts: int
    damaged: list[str]
    """Points and parts with wrong checksums, now in ``damaged/``; their points count as missing."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def collect(store: Store) -> Collected:
    """Compact and verify. Safe at any time: beside writers, readers and another `collect`.

    A point's own file goes only after the part that holds it was read back. Raises `RunError` where
    the store cannot be written.
    """
    folder, aside = store.path / "parts", store.path / "aside"
    try:
        damaged = [_set_aside(store, path) for path in parts.damaged(folder)]
        compacted = 0
        batch: list[PointRecord] = []
        for point_id, found in store.records():
            if isinstance(found, DamagedError):
                store.set_aside(point_id)
                damaged.append(point_id)
                continue
            batch.append(found)
            if len(batch) == POINTS_PER_PART:
                compacted += _compact(store, folder, batch, aside)
                batch = []
        if batch:
            compacted += _compact(store, folder, batch, aside)
        _merge_small(folder, aside)
        _remove_rubbish(store)
    except OSError as error:
        raise store.cannot_write(error) from None
    return Collected(len(parts.ids(folder)), compacted, len(parts.whole(folder)), damaged)


def _compact(store: Store, folder: Path, batch: list[PointRecord], aside: Path) -> int:
    parts.write(folder, batch, aside)
    store.remove_loose([record.point_id for record in batch])
    return len(batch)


def _merge_small(folder: Path, aside: Path) -> None:
    """Parts of many small collections become few; a point that two parts hold remains once."""
    small = [(path, ids) for path in parts.whole(folder) if len(ids := parts.ids_of(path)) < POINTS_PER_PART]
    group: list[Path] = []
    held = 0
    for path, ids in sorted(small, key=lambda pair: len(pair[1])):
        if held + len(ids) > POINTS_PER_PART:
            break
        group.append(path)
        held += len(ids)
    if len(group) < 2:
        return
    merged = {record.point_id: record for path in group for record in parts.records(path)}
    written = parts.write(folder, list(merged.values()), aside)
    for path in group:
        if path != written:
            path.unlink(missing_ok=True)


def _remove_rubbish(store: Store) -> None:
    """Half-written files of points that have finished since: nobody needs them any more."""
    finished = store.finished_ids()
    for path in (store.path / "aside").iterdir():
        if path.name.partition(".")[0] in finished:
            path.unlink(missing_ok=True)


def _set_aside(store: Store, path: Path) -> str:
    (store.path / "damaged").mkdir(exist_ok=True)
    os.replace(path, store.path / "damaged" / path.name)
    return path.name
