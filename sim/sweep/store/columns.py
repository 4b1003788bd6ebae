"""A record as one row of the table `results`: every field of the experiment and every metric, flat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from moe_cosim.sim.sweep.identity.digest import canonical
from moe_cosim.sim.sweep.plan.fields import fields
from moe_cosim.sim.sweep.store.record import PointRecord

Row = dict[str, Any]

FIRST: Final = (
    "point_id",
    "status",
    "error",
    "configuration",
    "code",
    "version",
    "host",
    "wall_s",
    "finished_utc",
)
DIGESTS: Final = ("sources", "files")
"""Columns with digests by component and by path, as JSON."""
_LISTS: Final = {
    "units": ("name",),
    "memories": ("name",),
    "links": ("name",),
    "critical_path": ("unit", "phase", "purpose", "bound"),
    "energy_components": ("component", "cause"),
    "energy_purposes": ("phase", "purpose"),
}
_NO_COLUMNS: Final = ("power_over_time",)
"""A curve, which no row holds."""
_EXPERIMENTS: Final = (
    "schema_version",
    "status",
    "name",
    "version",
    "engine",
    "model",
    "seed",
    "wall_s",
    "assumptions",
)
"""Fields of a result that the experiment, or the record, has already."""


def row(record: PointRecord) -> Row:
    """Column to value. Fields of the experiment have their dotted path (``workload.batch``), metrics the
    path in the result (``units.gpu.sm.busy_s``); assumptions in use are there with the value used."""
    found: Row = {name: getattr(record, name) for name in FIRST}
    found.update({name: canonical(getattr(record, name)) for name in DIGESTS})
    experiment = {key: value for key, value in record.experiment.items() if key not in ("name", "description")}
    found.update({path: _scalar(value) for path, value in fields(experiment).items()})
    if record.result is not None:
        found.update(_metrics(record.result))
    return found


def _metrics(result: Mapping[str, Any]) -> Row:
    found: Row = {}
    for key, value in result.items():
        if key in _LISTS:
            for entry in value:
                _numbers(".".join([key, *(str(entry[part]) for part in _LISTS[key])]), entry, found)
        elif key == "assumptions":
            found.update({f"assumptions.{entry['name']}": _scalar(entry["value"]) for entry in value})
        elif key in _NO_COLUMNS:
            continue
        elif isinstance(value, dict):
            found.update({path: _scalar(leaf) for path, leaf in fields(value, key).items()})
        elif key not in _EXPERIMENTS:
            found[key] = _scalar(value)
    return found


def _numbers(prefix: str, entry: Mapping[str, Any], found: Row) -> None:
    found.update({f"{prefix}.{key}": value for key, value in entry.items() if isinstance(value, (int, float))})


def _scalar(value: Any) -> Any:
    """A value that fits a column; lists become text."""
    return value if value is None or isinstance(value, (int, float, str)) else str(value)
