"""What docs/ and the README print from the code and from the ledger is what these say."""

from __future__ import annotations

import pytest

from tests.docs_figures import kept_cells
from tests.docs_tables import TABLES, renewed, tables_in, texts


def test_printed_tables_are_what_plug_ins_and_ledger_say() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in texts()}
    assert sorted(name for text in found.values() for name in tables_in(text)) == sorted(TABLES)
    stale = [name for name, text in found.items() if renewed(text) != text]
    assert stale == [], "renew them with: make docs"


@pytest.mark.parametrize(("part", "cells"), [("cxl-ndp", 21), ("trimoe", 10), ("edge-ndp", 9)])
def test_every_published_cell_is_kept_with_the_papers_arithmetic(part: str, cells: int) -> None:
    found = list(kept_cells(part))
    assert len(found) == cells
    assert all(cell.misfit is not None and cell.low <= cell.simulated <= cell.high for cell in found)
