"""Where a figure's numbers come from: a store of points, folders of runs, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store


@dataclass(frozen=True)
class FigureSources:
    """At most one store, and any number of runs by the name that they are told apart by."""

    store: Store | None
    runs: dict[str, KeptRun]

    @classmethod
    def of(cls, paths: Sequence[str | Path | Store]) -> FigureSources:
        """Raises `InputError` for a path that is neither a store nor a run's folder, and for two stores."""
        stores: list[Store] = []
        folders: list[Path] = []
        for path in paths:
            if isinstance(path, Store):
                stores.append(path)
            elif (Path(path) / "result.json").is_file():
                folders.append(Path(path))
            else:
                stores.append(_opened(Path(path)))
        if len(stores) > 1:
            raise InputError("plot", "SOURCE", Plain(f"{len(stores)} stores"), "one store, and folders of runs")
        return cls(stores[0] if stores else None, {name: KeptRun.of(path) for name, path in _named(folders).items()})

    def tables(self, all_versions: bool) -> Tables:
        """Every run is a point whose variant is its name."""
        return Tables(self.store, all_versions, [(name, _record(run)) for name, run in self.runs.items()])

    def kept_runs(self, why: str) -> dict[str, KeptRun]:
        """`InputError` where there are none, or points that kept no events beside them."""
        if self.store is not None or not self.runs:
            raise InputError(
                "plot", "SOURCE", Plain("a store, whose points keep no events"), f"folders of runs alone, for {why}"
            )
        return self.runs


def _opened(path: Path) -> Store:
    if path.is_dir() and not (path / "store.json").is_file():
        raise InputError(path, "SOURCE", Plain("neither store.json nor result.json"), "a store, or the folder of a run")
    return Store.open(path)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """By the folder's name, or where two are called the same by the whole path. The same folder twice counts once."""
    folders = list(dict.fromkeys(folders))
    names = [folder.resolve().name for folder in folders]
    return {
        (name if names.count(name) == 1 else str(folder)): folder for name, folder in zip(names, folders, strict=True)
    }


def _record(run: KeptRun) -> PointRecord:
    """The run as a point: no digests are kept in its folder."""
    result = run.result
    finished = datetime.fromtimestamp((run.folder / "result.json").stat().st_mtime, UTC)
    return PointRecord(
        point_id=str(run.folder.resolve()),
        status=result.status,
        experiment=run.experiment.model_dump(),
        files={},
        sources={},
        version=result.version,
        host="",
        wall_s=result.wall_s,
        finished_utc=finished.isoformat(timespec="seconds"),
        result=result.as_dict(),
    )
