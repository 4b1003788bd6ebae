"""A store's configurations: what varies among them, and medians over seeds of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.labels import Label, label
from moe_cosim.sim.display.names import value as named
from moe_cosim.sim.display.units import better
from moe_cosim.sim.figures.points import numbers_where_possible
from moe_cosim.sim.sweep.query.locked import identifier
from moe_cosim.sim.sweep.query.query import Tables

METRICS: Final = (
    "decode_tokens_per_s",
    "energy.decode_joules_per_token",
    "time_to_first_token_s",
    "end_to_end_s",
    "delta_loss",
    "mean_loss",
)
"""Those that are drawn unless others are asked for, where points have them and they differ."""
_VARIANT: Final = "variant"


@dataclass(frozen=True)
class SweptAxis:
    """One parameter that varies."""

    column: str
    called: Label
    is_number: bool


@dataclass(frozen=True)
class SweptConfiguration:
    """One experiment whatever its seed."""

    values: tuple[Any, ...]
    """By axis: numbers in base units, or texts."""
    figures: tuple[float, ...]
    """By metric: medians over the seeds."""
    seeds: int
    system: str
    """Its variant in the sweep; empty where there is one alone."""


@dataclass(frozen=True)
class SweepPoints:
    """What a report draws of a store; a configuration has a value for each axis and each metric."""

    axes: list[SweptAxis]
    metrics: list[Label]
    configurations: list[SweptConfiguration]

    @property
    def higher_is_better(self) -> list[bool | None]:
        """By metric; None where neither is."""
        return [{"higher": True, "lower": False}.get(better(metric.unit)) for metric in self.metrics]


def sweep_points(tables: Tables, metrics: Sequence[str] = ()) -> SweepPoints:
    """Of the finished points of a store. Raises `InputError` for unknown metrics, and where there is no point."""
    known = tables.columns
    for metric in metrics:
        if metric not in known:
            raise InputError("sweep report", "--metric", metric, known)
    columns = [column for column in (_VARIANT, *tables.axes) if column in known and column != "seed"]
    wanted = list(metrics) or [metric for metric in METRICS if metric in known]
    listed = ", ".join(identifier(column) for column in ("configuration", *columns, *wanted))
    rows = tables.query(f"SELECT {listed} FROM results WHERE status = 'finished' ORDER BY point_id").fetchall()
    if not rows:
        raise InputError("sweep report", "STORE", Plain("no finished point"), "a store with a point that is finished")
    turned = dict(zip(("configuration", *columns, *wanted), zip(*rows, strict=True), strict=True))
    for metric in metrics:
        if not all(isinstance(each, int | float | None) for each in turned[metric]):
            raise InputError("sweep report", "--metric", metric, "a column of numbers")
    drawn = [metric for metric in wanted if metrics or len(set(turned[metric]) - {None}) > 1]
    drawn = drawn or wanted[:1]
    axes, values = _axes(turned, [column for column in columns if column != _VARIANT and len(set(turned[column])) > 1])
    systems = turned.get(_VARIANT, ())
    has_systems = len(set(systems)) > 1
    found: dict[str, list[int]] = {}
    for place, configuration in enumerate(turned["configuration"]):
        if all(turned[metric][place] is not None for metric in drawn):
            found.setdefault(configuration, []).append(place)
    return SweepPoints(
        axes,
        [label(metric) for metric in drawn],
        [
            SweptConfiguration(
                tuple(column[places[0]] for column in values),
                tuple(float(median(turned[metric][place] for place in places)) for metric in drawn),
                len(places),
                named(str(systems[places[0]])) if has_systems else "",
            )
            for places in found.values()
        ],
    )


def _axes(turned: dict[str, tuple[Any, ...]], columns: Sequence[str]) -> tuple[list[SweptAxis], list[list[Any]]]:
    axes, values = [], []
    for column in columns:
        found, unit = numbers_where_possible(list(turned[column]))
        is_number = all(isinstance(each, int | float) and not isinstance(each, bool) for each in found)
        called = label(column)
        axes.append(SweptAxis(column, Label(called.name, unit or called.unit), is_number))
        values.append(found if is_number else [named(str(each)) for each in found])
    return axes, values
