"""The files of the ledger: a CSV of cells per part, and one line of history per renewal."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ledger.parts import Cells, Number
from moe_cosim.errors import InputError, Plain
from moe_cosim.whole_file import write_whole

_COLUMNS: Final = ("table", "cell", "number")
_TOLERANCE: Final = 1e-12
"""Of what is not an integer: `exp` and `log`, in means and models, differ in the last bit between C libraries."""


@dataclass(frozen=True)
class Move:
    """A cell whose number is another now; None: the cell was not there, or is not any more."""

    part: str
    table: str
    cell: str
    before: Number | None
    after: Number | None

    def __str__(self) -> str:
        change = ""
        if self.before and self.after is not None:
            change = f" ({100 * (self.after / self.before - 1):+.2g} %)"
        return f"{self.part}: {self.table}: {self.cell}: {_text(self.before)} -> {_text(self.after)}{change}"


@dataclass(frozen=True)
class Book:
    """A folder with ``PART.csv`` for each part and ``changes.md``, which only grows."""

    folder: Path

    def cells(self, part: str) -> Cells:
        """Empty for a part that was never kept. Raises `InputError` for a file that is not as `renew` writes it."""
        path = self._path(part)
        if not path.exists():
            return {}
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        if not rows or tuple(rows[0]) != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
            raise InputError(path, "columns", Plain("others"), ", ".join(_COLUMNS))
        return {(table, cell): _number(path, cell, text) for table, cell, text in rows[1:]}

    def moves(self, part: str, found: Cells) -> list[Move]:
        """What has moved between the ledger and `found`."""
        kept = self.cells(part)
        names = dict.fromkeys([*kept, *found])
        return [
            Move(part, *name, kept.get(name), found.get(name))
            for name in names
            if not _same(kept.get(name), found.get(name))
        ]

    def renew(self, parts: Mapping[str, Cells], message: str) -> list[Move]:
        """Keep `parts` and add to the history why numbers moved; nothing is written where none did.

        Raises `InputError` where numbers moved and `message` is empty.
        """
        moves = [move for part, found in parts.items() for move in self.moves(part, found)]
        if not moves:
            return []
        line = " ".join(message.split())
        if not line:
            raise InputError(
                "make ledger", "MESSAGE", Plain("none"), f"which change moved {len(moves)} numbers, in a line"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in dict.fromkeys(move.part for move in moves):
            write_whole(self._path(part), self._csv(part, parts[part]).encode())
        history = self.changes.read_text(encoding="utf-8") if self.changes.exists() else _HEAD
        write_whole(self.changes, (history + _entry(line, moves, self.digest())).encode())
        return moves

    @property
    def changes(self) -> Path:
        return self.folder / "changes.md"

    def digest(self) -> str:
        """Of all cells: the last entry of the history names it, so that no file is changed but by `renew`."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*.csv")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.csv"

    def _csv(self, part: str, found: Cells) -> str:
        kept = self.cells(part)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for (table, cell), number in found.items():
            before = kept.get((table, cell))
            writer.writerow((table, cell, _text(before if _same(before, number) else number)))
        return text.getvalue()


_HEAD: Final = "# Which change moved which numbers\n\nWritten by `make ledger`; see docs/ledger.md.\n"


def _entry(message: str, moves: Iterable[Move], digest: str) -> str:
    moves = list(moves)
    lines = [f"- {move}" for move in moves if move.before is not None and move.after is not None]
    for part in dict.fromkeys(move.part for move in moves):
        for word, gone in (("new", False), ("gone", True)):
            tables = [m for m in moves if m.part == part and (m.after if gone else m.before) is None]
            if tables:
                lines.append(f"- {part}: {len(tables)} cells {word}")
    today = datetime.now(UTC).date().isoformat()
    return f"\n## {today}: {message}\n\n" + "\n".join(lines) + f"\n\nCells: {digest}\n"


def _same(kept: Number | None, found: Number | None) -> bool:
    if kept is None or found is None or (isinstance(kept, int) and isinstance(found, int)):
        return kept == found
    return math.isclose(kept, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _text(number: Number | None) -> str:
    return "nothing" if number is None else repr(number)


def _number(path: Path, cell: str, text: str) -> Number:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        raise InputError(path, cell, text, "a number") from None
