"""The store: a folder that holds every point once, written by any number of processes, without a server."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.sim.sweep.plan import plan_file
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.plan.plan_file import PlanOutline
from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.claims import Claims
from moe_cosim.sim.sweep.store.record import SCHEMA, DamagedError, PointRecord, read, read_text
from moe_cosim.whole_file import write_whole

_FORMAT: Final = "moe-cosim-store"
_FOLDERS: Final = ("points", "failed", "plans", "parts", "aside")
_SUFFIXES: Final = (".json.gz", ".json")
"""Of a point's file; the second is schema 1's."""
_FLUSHED_S: Final = 0.1
"""Points that took so long are on the disk once they are written. Flushing a shorter one may take as long as it took;
one that the power takes along shows by its checksum and is computed again."""


@dataclass(frozen=True)
class Progress:
    """How far a plan is, as ids in the plan's order. From names alone: nothing was read."""

    finished: list[str]
    failed: list[str]
    missing: list[str]


class Store:
    """An open store. `Store.create` or `Store.open`; a store may be moved or renamed while nobody writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path) -> Store:
        """The store at `path`, made where there is nothing yet.

        Raises `InputError` where there is something else, `RunError` where it cannot be written.
        """
        store = cls(Path(path))
        try:
            if not (store.path / "store.json").exists():
                if store.path.exists() and (not store.path.is_dir() or any(store.path.iterdir())):
                    raise InputError(path, "store", Plain("something else"), "a store, or a folder yet to be made")
                for folder in _FOLDERS:
                    (store.path / folder).mkdir(parents=True, exist_ok=True)
                store._write_header()
            schema = store._check()
            for folder in _FOLDERS:
                (store.path / folder).mkdir(exist_ok=True)
            if schema < SCHEMA:  # an older program must not misread what is written from now on
                store._write_header()
            store._probe()
        except OSError as error:
            raise store.cannot_write(error) from None
        return store

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """The store at `path`, which may be read-only. Raises `InputError` where there is none."""
        store = cls(Path(path))
        store._check()
        return store

    def claims(self) -> Claims:
        """This process' claims. Once per process."""
        return Claims(self.path / "claims")

    # Plans

    def add_plan(self, plan: SweepPlan) -> str:
        """Keep a plan; its id. Adding an equal one again changes nothing."""
        plan_id = plan.plan_id
        path = self._plan_path(plan_id)
        if not path.exists():
            try:
                write_whole(path, plan_file.encode(plan), self.path / "aside")
            except OSError as error:
                raise self.cannot_write(error) from None
        return plan_id

    def plan_ids(self) -> list[str]:
        """Every plan, the oldest name first."""
        return sorted(path.name.removesuffix(".jsonl.gz") for path in _listed(self.path / "plans"))

    def plan(self, plan_id: str) -> SweepPlan:
        """Raises `InputError` for an unknown plan or a damaged file."""
        return plan_file.read(self._plan_path(plan_id), plan_id)

    def outline(self, plan_id: str) -> PlanOutline:
        """The same without its experiments, which this version may no longer know."""
        return plan_file.read_outline(self._plan_path(plan_id), plan_id)

    # What there is

    def finished_ids(self) -> set[str]:
        """Points in files or in compacted parts."""
        return set(self._loose("points")) | parts.ids(self.path / "parts")

    def failed_names(self) -> set[str]:
        """Points with the file of a failure; some may have finished since."""
        return set(self._loose("failed"))

    def failed_ids(self) -> set[str]:
        """Points whose last run failed, and that have not finished since."""
        return self.failed_names() - self.finished_ids()

    def progress(self, plan: SweepPlan) -> Progress:
        """Ids of the plan's points by what the store has of them, in the plan's order."""
        finished, failed = self.finished_ids(), self.failed_names()
        ids = [point.id for point in plan.points]
        return Progress(
            finished=[each for each in ids if each in finished],
            failed=[each for each in ids if each in failed and each not in finished],
            missing=[each for each in ids if each not in finished and each not in failed],
        )

    def has(self, point_id: str) -> bool:
        """Whether the point has a file of its own (parts are not looked into)."""
        place = os.path.join(self.path, "points", point_id[:2], point_id)  # asked before every point: no Path
        return any(os.path.exists(place + suffix) for suffix in _SUFFIXES)

    # Reading

    def records(self, folder: str = "points") -> Iterator[tuple[str, PointRecord | DamagedError]]:
        """Every point file with its record, or what is wrong with it. `folder`: points or failed."""
        for point_id, path in sorted(self._loose(folder).items()):
            try:
                yield point_id, read(path, point_id)
            except FileNotFoundError:
                continue  # compacted, or finished, since it was listed
            except DamagedError as error:
                yield point_id, error

    def record(self, point_id: str, folder: str = "points") -> PointRecord | None:
        """One point's record, from its file or a part; None where there is none or it is damaged."""
        path = self._loose_path(folder, point_id)
        try:
            if path is None:
                return parts.record(self.path / "parts", point_id) if folder == "points" else None
            return read(path, point_id)
        except (DamagedError, FileNotFoundError):
            return None

    def failure(self, point_id: str) -> str | None:
        """The one line of a point's last failure."""
        record = self.record(point_id, "failed")
        return record.error if record is not None else None

    def set_damaged_aside(self, ids: Sequence[str]) -> list[str]:
        """Check the files of these points and move those with a `DamagedError` to ``damaged/``. Their ids."""
        wanted = set(ids)
        damaged = []
        for point_id, path in sorted(self._loose("points").items()):
            if point_id not in wanted:
                continue
            try:
                text = read_text(path)
                if f'"point_id":"{point_id}"' not in text.replace(" ", ""):
                    raise DamagedError("another point's record")
            except DamagedError:
                self.set_aside(point_id)
                damaged.append(point_id)
            except FileNotFoundError:
                continue
        return damaged

    def set_aside(self, point_id: str) -> None:
        """Move a damaged point's file to ``damaged/``; the point is missing then."""
        path = self._loose_path("points", point_id)
        try:
            if path is not None:
                (self.path / "damaged").mkdir(exist_ok=True)
                os.replace(path, self.path / "damaged" / path.name)
        except FileNotFoundError:
            return  # another process has seen it too
        except OSError as error:
            raise self.cannot_write(error) from None

    # Writing

    def write(self, record: PointRecord) -> None:
        """Keep a record. Raises `OSError`; then nothing has changed."""
        finished = record.status == "finished"
        path = self._path("points" if finished else "failed", record.point_id)
        if os.path.islink(path.parent):
            raise OSError(None, f"{path.parent.name} is a link", str(path.parent))
        write_whole(path, record.encode(), self.path / "aside", flush=record.wall_s >= _FLUSHED_S)
        if finished:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path("failed", record.point_id))

    def remove_loose(self, ids: Sequence[str]) -> None:
        """Remove the files of points that a part holds now."""
        places = [("points", suffix) for suffix in _SUFFIXES] + [("failed", _SUFFIXES[0])]
        for point_id in ids:
            for folder, suffix in places:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.path, folder, point_id[:2], point_id + suffix))

    def cannot_write(self, error: OSError) -> RunError:
        """The one line for a full disk, a read-only folder, and the like."""
        return RunError(f"{self.path}: cannot write there: {error.strerror or error}; what is in the store stays")

    # Inner

    def _plan_path(self, plan_id: str) -> Path:
        return self.path / "plans" / f"{plan_id}.jsonl.gz"

    def _check(self) -> int:
        """The schema; raises `InputError` for what is no store, a newer one, or one with links in it."""
        for name in (*_FOLDERS, "damaged", "claims", "store.json"):
            if (self.path / name).is_symlink():
                raise InputError(self.path / name, "store", Plain("a link"), "files and folders of the store's own")
        path = self.path / "store.json"
        try:
            header = json.loads(own_file.read(path))
            known = header["format"] == _FORMAT and isinstance(header["schema"], int)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            known = False
        if not known:
            raise InputError(self.path, "store", Plain("no store"), "a folder that 'moe-cosim sweep run' made")
        schema: int = header["schema"]
        if schema > SCHEMA:
            raise InputError(path, "schema", schema, f"at most {SCHEMA}; a newer version wrote this store")
        return schema

    def _write_header(self) -> None:
        document = json.dumps({"format": _FORMAT, "schema": SCHEMA}) + "\n"
        write_whole(self.path / "store.json", document.encode(), self.path / "aside")

    def _probe(self) -> None:
        """Fail before any work where nothing can be written."""
        write_whole(self.path / "aside" / f"probe-{os.getpid()}", b"", self.path / "aside")
        (self.path / "aside" / f"probe-{os.getpid()}").unlink(missing_ok=True)
        if not (self.path / "claims").exists():
            Claims(self.path / "claims").close()  # made while there is room for it

    def _path(self, folder: str, point_id: str, suffix: str = _SUFFIXES[0]) -> Path:
        return self.path / folder / point_id[:2] / f"{point_id}{suffix}"

    def _loose_path(self, folder: str, point_id: str) -> Path | None:
        paths = (self._path(folder, point_id, suffix) for suffix in _SUFFIXES)
        return next((path for path in paths if path.exists()), None)

    def _loose(self, folder: str) -> dict[str, str]:
        """Every point with a file of its own in `folder`."""
        found: dict[str, str] = {}
        for group in _listed(self.path / folder):
            for entry in _listed(group) if not group.is_symlink() else ():
                found[entry.name.partition(".")[0]] = entry.path
        return found


def _listed(folder: str | Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
