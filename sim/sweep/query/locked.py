"""DuckDB for SQL that others wrote: it sees the store's tables, and can neither reach nor change anything else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain, RunError

_MEMORY: Final = "4GB"
"""Of one connection; more rows than fit are refused, not swapped."""
_LIMIT_S: Final = 600.0
"""Of one query."""
_POLL_S: Final = 0.1
"""How soon an interrupt of the user is heard."""


def identifier(name: str) -> str:
    """`name` as a column or table of SQL, whatever it is made of. (No SQL has a NUL: it is written out.)"""
    return '"' + name.replace("\0", "\\0").replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a value of SQL."""
    return "'" + text.replace("\0", "\\0").replace("'", "''") + "'"


def lock(connection: Any, files: Sequence[Path]) -> None:
    """From now on no file but `files` (which views read), no network, no extension, no variable of Python, a bound on
    memory, and no way back."""
    listed = ", ".join(literal(str(path)) for path in files)
    for setting in (
        "temp_directory = ''",
        f"memory_limit = '{_MEMORY}'",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        f"allowed_paths = [{listed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def select(connection: Any, sql: str, limit_s: float = _LIMIT_S) -> Any:
    """The rows of one SELECT as a relation, computed once.

    Raises `InputError` for anything but one SELECT and for one that fails, `RunError` after `limit_s`.
    """
    duckdb = extras.load("duckdb")
    try:
        statements = connection.extract_statements(sql)
        if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
            raise InputError("results", "SQL", sql, "one query, such as SELECT count(*) FROM results")
        return _Running(connection, statements[0].query).finish(limit_s)
    except duckdb.InterruptException:
        raise RunError(f"results: SQL took more than {limit_s:g} s") from None
    except duckdb.Error as error:
        reason, _, _ = str(error).partition("\n\n")  # what follows is the query
        allowed = "a SELECT over results and plans; DESCRIBE results lists the columns"
        raise InputError("results", "SQL", Plain(f"{sql!r}: {reason}"), allowed) from None


class _Running:
    """A query on a thread of its own: DuckDB does not hear an interrupt while it computes, the main thread does."""

    def __init__(self, connection: Any, sql: str) -> None:
        self._connection = connection
        self._sql = sql
        self._found: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._compute, daemon=True)

    def finish(self, limit_s: float) -> Any:
        self._thread.start()
        try:
            for _ in range(round(limit_s / _POLL_S)):
                self._thread.join(_POLL_S)
                if not self._thread.is_alive():
                    break
        finally:
            while self._thread.is_alive():  # once may fall between two statements
                self._connection.interrupt()
                self._thread.join(_POLL_S)
        if self._error is not None:
            raise self._error
        return self._found

    def _compute(self) -> None:
        try:
            self._found = self._connection.sql(self._sql).materialize()
        except BaseException as error:  # raised again by `finish`
            self._error = error
