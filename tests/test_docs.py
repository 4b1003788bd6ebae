"""What docs/ prints from the code is what the code says."""

from __future__ import annotations

from tests.docs_tables import DOCS, TABLES, renewed, tables_in


def test_tables_of_options_are_what_the_plug_ins_say() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert sorted(name for text in texts.values() for name in tables_in(text)) == sorted(TABLES)
    stale = [name for name, text in texts.items() if renewed(text) != text]
    assert stale == [], "renew them with: make docs"
