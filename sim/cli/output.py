"""``--json``, ``--csv`` and ``--table``: the same options with the same meaning at every command."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from moe_cosim.errors import InputError, Plain

if TYPE_CHECKING:
    from moe_cosim.sim.cli.table import Report


@dataclass(frozen=True)
class Output:
    """What the user asked for."""

    as_json: bool
    as_csv: bool
    table: str
    """The one that CSV shows."""
    alone: bool
    """Whether ``--table`` was given: nothing but that table."""

    @property
    def for_people(self) -> bool:
        """Whether tables are printed: neither JSON nor CSV."""
        return not (self.as_json or self.as_csv)

    def emit(self, document: Callable[[], Any], report: Callable[[], Report]) -> None:
        """Print `document` for ``--json``, and otherwise what was asked for of `report`, which has every table that
        the command named."""
        from moe_cosim.sim.cli.table import Table, write_json

        if self.as_json and not self.alone:
            write_json(document(), sys.stdout)
            return
        parts = report()
        if not (self.as_csv or self.alone):
            _draw(parts)
            return
        (table,) = (part for part in parts if isinstance(part, Table) and part.name == self.table)
        if self.as_csv:
            table.write_csv(sys.stdout)
        elif self.as_json:
            write_json(table.records(), sys.stdout)
        else:
            _draw([table])


def _draw(report: Report) -> None:
    from moe_cosim.sim.cli.terminal import draw, stdout

    draw(report, stdout())


def output_options(*tables: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--json``, ``--csv`` and, where it has several tables, ``--table``; it gets `output`.

    `tables` are the names of its tables; the first is what ``--csv`` prints unless ``--table`` says otherwise. A
    command without tables has ``--json`` alone. The command raises `InputError` where they contradict each other.
    """
    options = [click.option("--json", "as_json", is_flag=True, help="Print as JSON.")]
    if tables:
        options.append(click.option("--csv", "as_csv", is_flag=True, help=_csv_help(tables)))
    if len(tables) > 1:
        options.append(click.option("--table", type=click.Choice(tables), help="Print only this table."))

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(
            *arguments: Any, as_json: bool, as_csv: bool = False, table: str | None = None, **others: Any
        ) -> Any:
            if as_json and as_csv:
                raise InputError("command line", "--csv, --json", Plain("both"), "one of them")
            output = Output(as_json, as_csv, table or "".join(tables[:1]), table is not None)
            return command(*arguments, output=output, **others)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def _csv_help(tables: tuple[str, ...]) -> str:
    return f"Print a table as CSV ({tables[0]}, or that of --table)." if len(tables) > 1 else "Print as CSV."
