"""Tables of a result as pandas DataFrames."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError
from moe_cosim.sim.results.rows import BY_NAME, ROWS

if TYPE_CHECKING:
    import pandas

    from moe_cosim.sim.results.result import Result

FIGURES: Final = "figures"


def frame(result: Result, table: str) -> pandas.DataFrame:
    """`InputError` for a table that a result does not have, or without pandas."""
    if table not in ROWS and table != FIGURES:
        raise InputError("to_frame", "table", table, (*ROWS, FIGURES))
    pd = extras.load("pandas", "to_frame")
    if table == FIGURES:
        return pd.DataFrame([_figures(result)])
    columns = [entry.name.removesuffix("_") for entry in fields(ROWS[table])]
    found = result.as_dict()[table]
    if table in BY_NAME:
        rows, columns = [{"name": name, **row} for name, row in found.items()], ["name", *columns]
    else:
        rows = found if isinstance(found, list) else [found] if found else []
    return pd.DataFrame(rows, columns=columns)


def _figures(result: Result) -> dict[str, Any]:
    """What is neither a table nor the policy's own; the figures of that and of the experts with a prefix."""
    said = result.as_dict()
    single = {name: value for name, value in said.items() if name not in ROWS and name != "policy_report"}
    inner = {f"{name}.{key}": value for name in ("experts", "policy_report") for key, value in said[name].items()}
    return single | inner
