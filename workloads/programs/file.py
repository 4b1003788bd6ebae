"""Programs in files: what is written now, block by block, and what older versions wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from moe_cosim.column_file import ColumnFile, ColumnWriter
from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.workloads.array_archive import read_npz
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import ACCESS, EVENT, TAG, Program

FORMAT: Final = "moe-cosim program 2"
_OLD_FORMAT: Final = "moe-cosim program 1"
"""One zip of a JSON header and three tables ``events.npy``, ``accesses.npy`` and ``tags.npy``, deflated."""

_TABLES: Final = {"events": EVENT, "accesses": ACCESS, "tags": TAG}
_PAD: Final = "pad"

_Tables: TypeAlias = tuple[NDArray[np.void], NDArray[np.void], NDArray[np.void]]
"""Events, accesses and tags."""


class ProgramWriter:
    """Appends the blocks of one program to a file (`moe_cosim.column_file`): a column ``table.field`` for every field.

    Events keep the difference of their tag to their row, which mostly is 0.
    """

    def __init__(self, path: Path, lanes: Sequence[tuple[str, str]], machine: str, meta: dict[str, object]) -> None:
        header = {"format": FORMAT, "lanes": list(lanes), "machine": machine, "meta": meta}
        self._file = ColumnWriter(path, header)

    def add(self, program: Program) -> None:
        """One block, whose tokens and tags are numbered on their own."""
        columns: dict[str, NDArray[Any]] = {}
        for table, dtype in _TABLES.items():
            records = getattr(program, table)
            columns |= {f"{table}.{name}": records[name] for name in dtype.names or () if name != _PAD}
        columns["events.tag"] = columns["events.tag"] - np.arange(len(program.events))
        self._file.add(columns)

    def close(self) -> None:
        """Only now the file can be read."""
        self._file.close()

    def abandon(self) -> None:
        """Close the file unfinished: nobody wants it any more."""
        self._file.abandon()


def save_program(program: Program, path: Path) -> None:
    """As one block."""
    writer = ProgramWriter(path, program.lanes, program.machine, program.meta)
    writer.add(program)
    writer.close()


def load_program(path: Path) -> Program:
    """The whole, of this or an older version; raises `InputError` for anything else."""
    allowed = f"a file written as '{FORMAT}'"
    file = ColumnFile(path, allowed)
    header = file.header()
    if header.get("format") == _OLD_FORMAT:
        parts = [_old_tables(path, f"a file written as '{_OLD_FORMAT}'")]
    elif header.get("format") == FORMAT:
        parts = [_tables(columns, path, allowed) for columns in file.blocks()]
    else:
        raise InputError(path, "format", header.get("format"), allowed)
    if not parts:
        raise InputError(path, "blocks", Plain("none"), allowed)
    try:
        lanes = tuple((str(unit), str(lane)) for unit, lane in header["lanes"])
        machine, meta = str(header["machine"]), dict(header["meta"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, "header", what_failed(error), allowed) from None
    programs = [Program(lanes, events, accesses, tags, machine, meta) for events, accesses, tags in parts]
    program = programs[0] if len(programs) == 1 else join_programs(programs)[0]
    program.validate(path)
    return program


def _tables(columns: dict[str, NDArray[Any]], path: Path, allowed: str) -> _Tables:
    """Of a block."""
    found = []
    for table, dtype in _TABLES.items():
        names = [name for name in dtype.names or () if name != _PAD]
        missing = [name for name in names if f"{table}.{name}" not in columns]
        lengths = {len(columns[f"{table}.{name}"]) for name in names} if not missing else set()
        if missing or len(lengths) != 1:
            what = f"no column {missing[0]}" if missing else "columns of unequal length"
            raise InputError(path, table, Plain(what), allowed)
        records = np.zeros(lengths.pop(), dtype)
        for name in names:
            records[name] = columns[f"{table}.{name}"]
        found.append(records)
    events, accesses, tags = found
    events["tag"] = columns["events.tag"] + np.arange(len(events))
    return events, accesses, tags


def _old_tables(path: Path, allowed: str) -> _Tables:
    tables = read_npz(path, allowed, _TABLES)
    for name, dtype in _TABLES.items():
        if name not in tables:
            raise InputError(path, name, Plain("no such table"), allowed)
        if tables[name].dtype != dtype or tables[name].ndim != 1:
            found = Plain(f"{tables[name].ndim} axes of {tables[name].dtype}")
            raise InputError(path, name, found, f"1 axis of {dtype}")
    return tables["events"], tables["accesses"], tables["tags"]
