"""What ``moe-cosim compare`` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.compare.compare import RunComparison

_ROWS: Final = 14


def comparison_report(found: RunComparison) -> Report:
    """The largest differences first; of two runs also the difference."""
    steps, layers = "of a decode step", "per layer and step"
    return [
        *(Note(title, letter.upper()) for letter, title in found.runs.items()),
        *(Note(sentence) for sentence in found.unlike),
        _headline(found),
        _speedups(found),
        _geomeans(found),
        _table(found, "critical_path", f"critical path {steps}", ("unit", "purpose", "bound"), "s"),
        _table(found, "energy", "energy per generated token", ("component", "cause"), "J"),
        _table(found, "units", "idle in decode", ("unit",), "share"),
        _table(found, "moves", "moved (experts per decode step)", ("what",), "bytes"),
        _table(found, "experts", f"experts run {layers}", ("class", "unit"), "", ".2f"),
        *(Note(sentence) for sentence in found.changed),
    ]


def _letters(found: RunComparison, unit: str = "", form: str = "") -> tuple[Column, ...]:
    return tuple(Column(letter, letter.upper(), unit, form) for letter in found.runs)


def _headline(found: RunComparison) -> Table:
    columns = (Column("what", role="key"), *_letters(found, form=".4g"))
    rows = [(row["what"], *(row[letter] for letter in found.runs)) for row in found.headline]
    known = [row for row in rows if None not in row]
    return Table("headline", "", columns, rows, view=Table("headline", "", columns, known))


def _speedups(found: RunComparison) -> Table:
    """Of runs that are all measured against one, or each against its own."""
    bases = dict.fromkeys(found.baselines.values())
    said = f"over {next(iter(bases)).upper()}" if len(bases) == 1 else "over the baseline of its load"
    columns = (Column("what", role="key"), *_letters(found, form=".3f"))
    rows = [(row["what"], *(row[letter] for letter in found.runs)) for row in found.speedups]
    known = [row for row in rows if None not in row]
    title = f"times better {said} (times and energies: less is better)"
    return Table("speedups", title, columns, rows, view=Table("speedups", title, columns, known))


def _geomeans(found: RunComparison) -> Table:
    """Shown where some system has several runs, or the mean says nothing more."""
    columns = (
        Column("system", role="key"),
        Column("what", role="key"),
        Column("runs"),
        Column("geomean", "times better", form=".3f"),
    )
    rows = [tuple(row[column.name] for column in columns) for row in found.geomeans]
    title = "geometric mean over the runs of a system"
    several = rows if any(row["runs"] > 1 for row in found.geomeans) else []
    return Table("geomeans", title, columns, rows, view=Table("geomeans", title, columns, several))


def _table(found: RunComparison, name: str, title: str, keys: tuple[str, ...], unit: str, form: str = "") -> Table:
    rows: Sequence[Mapping[str, Any]] = getattr(found, name)
    columns = (*(Column(key, role="key") for key in keys), *_letters(found, unit, form))
    body = [(*(row[key] for key in keys), *(row[letter] for letter in found.runs)) for row in rows]
    if len(found.runs) == 2:
        columns = (*columns, Column("change", "B - A", unit, f"+{form}" if form or unit != "share" else "+.1f"))
        body = [(*row, row[-1] - row[-2]) for row in body]
    return Table(name, title, columns, body, view=Table(name, title, columns, body[:_ROWS]))
