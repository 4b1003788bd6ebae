"""What a column of results is called, and in which unit it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from moe_cosim.sim.display.metrics import METRICS, STORE
from moe_cosim.sim.display.names import component, purpose, words
from moe_cosim.sim.display.parameters import PARAMETERS, WITH_OPTIONS, option
from moe_cosim.sim.display.units import shown, unit_of
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import BY_NAME, ROWS


@dataclass(frozen=True)
class Label:
    """A name in words, and the base unit of the numbers under it ("": none)."""

    name: str
    unit: str = ""

    def text(self, shown_unit: str | None = None) -> str:
        """``Decode throughput (tokens/s)``; `shown_unit` is that with a prefix, where there is one."""
        unit = self.unit if shown_unit is None else shown_unit
        return f"{self.name} ({unit})" if unit else self.name

    def scaled(self, values: list[float]) -> tuple[list[float], str]:
        """The values in the unit that suits their size, and the text with it."""
        factor, unit = shown(values, self.unit)
        return [value / factor for value in values], self.text(unit)

    def factor(self, values: list[float]) -> float:
        """What `scaled` divides by."""
        return shown(values, self.unit)[0]


_PATHS: Final[dict[str, tuple[Callable[[str], str], ...]]] = {
    "units": (component,),
    "memories": (component,),
    "links": (component,),
    "critical_path": (component, purpose, purpose, purpose),
    "energy_components": (component, purpose),
    "energy_purposes": (purpose, purpose),
    "traffic": (purpose,),
    "expert_moves": (purpose,),
}
"""Tables whose rows are columns of a store: how the parts between table and field are called."""


def label(column: str) -> Label:
    """Of a column of the table `results` or a field of a result, by its dotted path; unknown ones by their words.

    >>> label("units.gpu.sm.utilization")
    Label(name='Utilization, GPU SMs', unit='share')
    """
    table, dot, rest = column.partition(".")
    if table in _PATHS and dot:
        return _row_label(table, rest)
    if not dot and table in METRICS[Result]:
        return Label(METRICS[Result][table], unit_of(table))
    if column in PARAMETERS or column in STORE:
        return Label(PARAMETERS.get(column) or STORE[column], unit_of(column))
    if dot and table in (*WITH_OPTIONS, "assumptions"):
        return Label(*option(column))
    if dot and table in ROWS:
        return Label(METRICS[ROWS[table]].get(rest) or words(rest), unit_of(rest))
    if column.startswith("machine.set."):
        return Label(f"{words(column.removeprefix('machine.set.'))}, changed")
    return Label(words(rest if table == "policy_report" else column), unit_of(column))


def is_known(column: str) -> bool:
    """Whether results or experiments may have a column of that path."""
    table, dot, rest = column.partition(".")
    if column in PARAMETERS or column in STORE or (not dot and table in METRICS[Result]):
        return True
    if table in _PATHS:
        return rest.rpartition(".")[2] in METRICS[ROWS[table]]
    if table in ROWS and table != "assumptions":
        return rest in METRICS[ROWS[table]]
    return bool(rest) and table in (*WITH_OPTIONS, "assumptions", "policy_report", "machine")


def field_label(row: type[Any], field: str) -> Label:
    """Of a field of `Result` or of one of its rows."""
    return Label(METRICS[row][field], unit_of(field))


def _row_label(table: str, rest: str) -> Label:
    """The component's own name may have dots; the parts after it have none."""
    *inner, field = rest.split(".")
    how = _PATHS[table]
    last = inner[len(inner) - len(how) + 1 :] if len(how) > 1 else []
    parts = [".".join(inner[: len(inner) - len(last)]), *last]
    named = [say(part) for say, part in zip(how, parts, strict=True)]
    called = METRICS[ROWS[table]].get(field) or words(field)
    return Label(", ".join([called, named[0], *(name[:1].lower() + name[1:] for name in named[1:])]), unit_of(field))


assert set(BY_NAME) <= set(_PATHS)
