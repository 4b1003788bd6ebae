"""The tables of reproductions in docs and README, printed from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from ledger.__main__ import FOLDER
from ledger.book import Book
from ledger.parts import ARITHMETIC, AT_MOST, HIGHEST, LOWEST, MEDIAN, PUBLISHED, SEEDS
from moe_cosim.sim.reproduce.cell import Cell


def kept_cells(part: str) -> Iterator[Cell]:
    """Of a reproduction in full length; of the seeds, where they are kept, what they span and the median."""
    kept = Book(FOLDER).cells(part)
    for table in (PUBLISHED, AT_MOST):
        for (of, where), published in kept.items():
            if of != table:
                continue
            figure, cell = next(name for name in kept if ": ".join(name) == where)
            spans = [float(kept[span, where]) for span in (LOWEST, HIGHEST, MEDIAN, MEDIAN) if (span, where) in kept]
            yield Cell(
                figure,
                cell,
                float(published),
                float(kept[figure, cell]),
                others=tuple(spans),
                arithmetic=float(kept[ARITHMETIC, where]) if (ARITHMETIC, where) in kept else None,
                at_most=table == AT_MOST,
            )


def reproduction_table(part: str, figures: Collection[str] = ()) -> str:
    """All cells, or those of these `figures`, in the order of the publication's."""
    kept = Book(FOLDER).cells(part)
    order = {name: index for index, name in enumerate(kept)}
    cells = sorted(kept_cells(part), key=lambda cell: order[cell.figure, cell.cell])
    chosen = [cell for cell in cells if not figures or cell.figure in figures]
    columns = [name for name in _COLUMNS if any(_COLUMNS[name](cell) for cell in chosen)]
    rows = [[_COLUMNS[name](cell) for name in columns] for cell in chosen]
    said = ["", *(cell.figure for cell in chosen)]
    lines = [
        [figure if figure != before else "", *row] for before, figure, row in zip(said, said[1:], rows, strict=False)
    ]
    head, *rest = (f"| {' | '.join(line)} |" for line in (["figure", *columns], *lines))
    return "\n".join((head, "|" + "---|" * (len(columns) + 1), *rest))


_COLUMNS: Final[dict[str, Callable[[Cell], str]]] = {
    "cell": lambda cell: cell.cell,
    "published": lambda cell: f"{cell.published:.5g}",
    "paper's arithmetic": lambda cell: "" if cell.arithmetic is None else f"{cell.arithmetic:.4g}",
    "simulated": lambda cell: f"{cell.simulated:.4g}",
    f"over {SEEDS} seeds": lambda cell: f"{cell.low:.4g} – {cell.high:.4g}" if cell.others else "",
    "ratio": lambda cell: f"{cell.ratio:.2f}",
    "misfit": lambda cell: cell.misfit or "",
}
"""Behind the figure's name; a column that says nothing of any cell is left out."""
