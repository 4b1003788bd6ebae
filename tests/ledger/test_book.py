"""Renewing: what counts as moved, what is refused, what the history says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ledger.book import Book
from ledger.parts import Cells
from moe_cosim.errors import InputError

CELLS: Cells = {("copy, two", "total_ps"): 15752000, ("copy, two", "error"): -0.1 + 0.3, ("mean", "gain"): 2.5}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "cells")
    made.renew({"one": CELLS, "two": {("a", "b"): 1}}, "first")
    return made


def kept(book: Book) -> dict[str, str]:
    return {path.name: path.read_text() for path in book.folder.iterdir()}


def test_numbers_come_back_as_they_were(book: Book) -> None:
    assert book.cells("one") == CELLS
    assert [type(number) for number in book.cells("one").values()] == [int, float, float]
    assert book.cells("never kept") == {}


def test_nothing_moved_writes_nothing(book: Book) -> None:
    before = kept(book)
    assert book.renew({"one": dict(CELLS)}, "") == []
    assert kept(book) == before


@pytest.mark.parametrize("message", ["", " \n"])
def test_a_move_without_a_message_is_refused_and_writes_nothing(book: Book, message: str) -> None:
    before = kept(book)
    with pytest.raises(InputError, match="MESSAGE"):
        book.renew({"one": CELLS | {("mean", "gain"): 2.6}}, message)
    assert kept(book) == before


def test_integers_move_by_one_and_floats_by_more_than_the_last_bits(book: Book) -> None:
    total, gain = ("copy, two", "total_ps"), ("mean", "gain")
    assert len(book.moves("one", CELLS | {total: 15752001})) == 1
    assert len(book.moves("one", CELLS | {gain: 2.5 * (1 + 1e-11)})) == 1
    assert book.moves("one", CELLS | {gain: math.nextafter(2.5, 3)}) == []


def test_the_history_says_what_moved_and_why_and_only_grows(book: Book) -> None:
    before, first = book.changes.read_text(), book.digest()
    found: Cells = {("copy, two", "total_ps"): 15752007, ("mean", "gain"): 2.5, ("mean", "loss"): 0}
    book.renew({"one": found, "two": {("a", "b"): 1}}, "a better\nlink")
    after = book.changes.read_text()
    assert after.startswith(before)
    entry = after.removeprefix(before)
    assert ": a better link\n" in entry
    assert "- one: copy, two: total_ps: 15752000 -> 15752007 (+4.4e-05 %)\n" in entry
    assert "- one: 1 cells new\n" in entry
    assert "- one: 1 cells gone\n" in entry
    assert book.digest() != first
    assert entry.endswith(f"\nCells: {book.digest()}\n")
    assert book.cells("one") == found


def test_last_bits_leave_the_text_as_it_was(book: Book) -> None:
    other = {name: math.nextafter(number, 9) if isinstance(number, float) else number for name, number in CELLS.items()}
    book.renew({"one": other | {("mean", "new"): 1}}, "one more")
    assert book.cells("one") == CELLS | {("mean", "new"): 1}


@pytest.mark.parametrize("text", ["", "table,cell\n", "table,cell,number\na,b\n", "table,cell,number\na,b,many\n"])
def test_a_file_that_is_not_a_ledger_is_refused(book: Book, text: str) -> None:
    (book.folder / "one.csv").write_text(text)
    with pytest.raises(InputError, match=r"one\.csv"):
        book.cells("one")
