"""The figures that texts print are those of the ledger."""

import re
from pathlib import Path

import pytest

from ledger.__main__ import FOLDER
from ledger.book import Book

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"(\d+\.\d+|\d+)( \([ab]\))?")
NAMES = {
    "decode, mean over MoNDE": "ablation, decode, mean over MoNDE",
    "tensor parallelism alone, 2 modules": "tensor parallelism alone, 2 modules (published: slightly below 1)",
    "mixtral-8x22b, 3-bit": "mixtral-8x22b cxl-ndp-3bit",
    "mixtral-8x22b, MoNDE": "mixtral-8x22b monde",
    "DeepSeek-MoE-16B": "deepseek-moe-16b",
    "Qwen3-30B-A3B": "qwen3-30b-a3b",
}
"""What texts call a table or a cell, and the ledger."""


def printed(text: str) -> list[tuple[str, str, str]]:
    """(figure, cell, simulated) of the tables with these columns: | figure | cell | published | simulated | ratio |"""
    rows, figure = [], ""
    for line in text.splitlines():
        columns = [column.strip() for column in line.split("|")[1:-1]]
        if len(columns) == 5 and NUMBER.fullmatch(columns[4]):
            figure = columns[0] or figure
            rows.append((NAMES.get(figure, figure), NAMES.get(columns[1], columns[1]), columns[3]))
    return rows


@pytest.mark.parametrize(
    ("document", "part", "least"),
    [
        ("README.md", "cxl-ndp", 7),
        ("docs/reproduce-cxl-ndp.md", "cxl-ndp", 21),
        ("docs/reproduce-trimoe.md", "trimoe", 10),
        ("docs/reproduce-edge-ndp.md", "edge-ndp", 9),
    ],
)
def test_a_printed_figure_is_that_of_the_ledger(document: str, part: str, least: int) -> None:
    cells = Book(FOLDER).cells(part)
    rows = printed((ROOT / document).read_text(encoding="utf-8"))
    assert len(rows) >= least
    for figure, cell, shown in rows:
        number = float(cells[figure, cell])
        assert float(shown) == pytest.approx(number, abs=0.51 * 10 ** -len(shown.partition(".")[2])), (figure, cell)
