"""What the author calls things, and in which order they stand: over what they are called by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.escape import checked_line
from moe_cosim.quantity import DIMENSIONS, parse_quantity
from moe_cosim.schema import Line, check
from moe_cosim.sim.display.labels import Label, is_known, label
from moe_cosim.sim.display.names import value
from moe_cosim.yaml_file import read_yaml

_LineOrNothing = Annotated[str, Field(strict=True), AfterValidator(lambda text: text and checked_line(text))]


class LabelFile(BaseModel):
    """A YAML file: names of columns, names of values, and the order of values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, _LineOrNothing] = {}
    """By column; an empty name leaves the axis without a label."""
    values: dict[str, Line] = {}
    """By category as it is written: systems, models, components, purposes."""
    order: list[Line] = []
    """Categories that come first, wherever they stand."""

    @classmethod
    def read(cls, path: str | Path) -> LabelFile:
        """Raises `InputError` for unknown fields and for columns that no result has."""
        found = check(cls, read_yaml(Path(path)), path)
        for column in found.columns:
            if not is_known(column):
                raise InputError(
                    path, f"columns.{column}", Plain("an unknown column"), "columns of 'moe-cosim results'"
                )
        return found


@dataclass(frozen=True)
class Naming:
    """Names and order for one figure."""

    file: LabelFile = field(default_factory=LabelFile)
    order: tuple[str, ...] = ()
    """Of the command line, before that of the file."""

    @classmethod
    def of(cls, path: str | None, order: Sequence[str] = ()) -> Naming:
        """From the label file at `path`, where there is one. Raises `InputError`."""
        return cls(LabelFile() if path is None else LabelFile.read(path), tuple(order))

    def column(self, name: str, unit: str | None = None) -> Label:
        """`unit` is that of the values, where they have one that their name does not say."""
        found = label(name)
        return Label(self.file.columns.get(name, found.name), found.unit if unit is None else unit)

    def value(self, raw: Any, say: Callable[[str], str] = value) -> str:
        """Of a category; `say` is what it is called by itself."""
        text = str(raw)
        if isinstance(raw, bool):
            text = "on" if raw else "off"
        elif isinstance(raw, int | float):
            text = f"{raw:g}"
        return self.file.values.get(text) or say(text)

    def legend_title(self, hue: str | None, values: Iterable[Any]) -> str:
        """The name of the column `hue`, where its values are numbers, quantities or switches."""
        if hue is None or all(_natural(raw)[0] == 2 for raw in values):
            return ""
        return self.column(hue).name

    def ordered(self, values: Iterable[Any], natural: Sequence[Any] = ()) -> list[Any]:
        """Those that are named to come first, then those of `natural`, then the rest: numbers and quantities by size,
        texts by their letters."""
        found = list(dict.fromkeys(values))
        given = [*self.order, *self.file.order]
        rank = {name: place for place, name in reversed(list(enumerate([*given, *natural])))}
        last = len(rank) + len(given) + len(natural)
        return sorted(found, key=lambda raw: (rank.get(_written(raw, rank, self.value), last), _natural(raw)))

    def check_order(self, values: Iterable[Any]) -> None:
        """`InputError` for a category of ``--order`` that the figure does not have."""
        known = {name for raw in values for name in (str(raw), self.value(raw))}
        for name in self.order:
            if name not in known:
                raise InputError("plot", "--order", name, known)


def _written(raw: Any, rank: dict[Any, int], say: Callable[[Any], str]) -> Any:
    """As the order names it: by the value itself, or as it is shown."""
    return next((one for one in (raw, str(raw), say(raw)) if one in rank), raw)


def _natural(raw: Any) -> tuple[int, Any]:
    if isinstance(raw, int | float):
        return 0, raw
    for dimension in DIMENSIONS:
        if dimension != "number":
            try:
                return 1, (dimension, parse_quantity(raw, dimension, "plot", "order"))
            except InputError:
                continue
    return 2, str(raw)
