"""The folder of a run with its program and timeline, replayed, compared and traced."""

from __future__ import annotations

import io
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from moe_cosim.column_file import ColumnFile, ColumnWriter
from moe_cosim.sim.run import run
from tests.fuzz import archives
from tests.fuzz.damage import damaged
from tests.fuzz.judge import Command
from tests.fuzz.samples import base, write_model
from tests.fuzz.syntax import json_file, yaml_file

_EXTREMES: Final = (0, 1, 2, 255, 2**16 - 1, 2**31 - 1, 2**32 - 1, 10**8, 2**53, 2**63 - 1, 2**64 - 1, -1)
_COMMANDS: Final = (
    ("replay", "./run"),
    ("replay", "./run", "--json"),
    ("compare", "./run", "./run"),
    ("trace", "./run", "-o", "/dev/null", "--steps", "1", "--json"),
)


def program(random: Random, folder: Path) -> list[Command]:
    run_folder = folder / "in" / "run"
    shutil.copytree(ran(), run_folder)
    name = random.choice(("program.zip",) * 5 + ("timeline.zip",) * 2 + ("experiment.yaml", "result.json"))
    path = run_folder / name
    if name.endswith(".zip"):
        kind = random.randrange(5)
        if kind < 3:
            _columns(random, path)
        elif kind == 3:
            path.write_bytes(archives.packed(_members(random, path), deflated=random.random() < 0.5))
        else:
            path.write_bytes(damaged(random, path.read_bytes()))
    elif name == "result.json":
        path.write_bytes(json_file(random, yaml.safe_load(path.read_text())))
        return [Command(("compare", "./run", "./run"))]
    else:
        path.write_bytes(yaml_file(random, yaml.safe_load(path.read_text())))
    if random.random() < 0.15:
        path.unlink()
    return [Command(random.choice((*_COMMANDS, ("trace", "./run", "-o", str(folder / "outputs" / "trace")))))]


@cache
def ran() -> Path:
    """A run's folder, once per process."""
    folder = Path(tempfile.mkdtemp(prefix="moe-cosim-fuzz-"))
    write_model(folder)
    (folder / "e.yaml").write_text(yaml.safe_dump(base()), encoding="utf-8")
    run(folder / "e.yaml", out=folder / "run")
    return folder / "run"


def _columns(random: Random, path: Path) -> None:
    """The same file with other numbers in some of its columns, or with other columns."""
    file = ColumnFile(path, "")
    header, blocks = file.header(), list(file.blocks())
    columns = random.choice(blocks)
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice(list(columns))
        columns[name] = _changed(random, columns[name])
    if random.random() < 0.1:
        columns.pop(random.choice(list(columns)))
    if random.random() < 0.1:
        header[random.choice(list(header))] = random.choice((None, [], {}, "x", 1, [["gpu.sm", "main"]] * 70_000))
    path.unlink()
    writer = ColumnWriter(path, header)
    for block in random.choice((blocks, blocks, blocks + blocks, [])):
        writer.add(block)
    writer.close()


def _changed(random: Random, column: NDArray[Any]) -> NDArray[Any]:
    column = column.copy()
    limits = np.iinfo(column.dtype)
    kind = random.randrange(6)
    if kind == 0:
        return column[: random.randrange(len(column) + 1)]
    if kind == 1 and len(column):
        return column[np.argsort(np.arange(len(column)) * 7 % len(column))]
    rows: Any = slice(None) if kind == 2 else random.randrange(max(len(column), 1))
    if len(column):
        column[rows] = min(max(random.choice(_EXTREMES), limits.min), limits.max)
    return column


def _members(random: Random, path: Path) -> archives.Members:
    """A member changed, its header line among them: a line of JSON that says how the bytes are to be read."""
    members = archives.unpacked(path.read_bytes())
    if random.random() < 0.5:
        return archives.changed(random, members)
    name = random.choice(list(members))
    line, newline, data = members[name].partition(b"\n")
    members[name] = json_file(random, yaml.safe_load(io.BytesIO(line))) + newline + data
    return members
