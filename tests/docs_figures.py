"""The tables of reproductions in docs and README, printed from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Final

from ledger.__main__ import FOLDER
from ledger.book import Book
from ledger.parts import ARITHMETIC, AT_MOST, HIGHEST, LOWEST, MEDIAN, PUBLISHED, SEEDS
from moe_cosim.sim.reproduce.cell import Cell

_HEAD: Final = (
    f"| figure | cell | published | paper's arithmetic | simulated | over {SEEDS} seeds | ratio | misfit |",
    "|---|---|---|---|---|---|---|---|",
)


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
                arithmetic=float(kept[ARITHMETIC, where]),
                at_most=table == AT_MOST,
            )


def reproduction_table(part: str, figures: Collection[str] = ()) -> str:
    """All cells, or those of these `figures`, in the order of the publication's."""
    kept = Book(FOLDER).cells(part)
    order = {name: index for index, name in enumerate(kept)}
    cells = sorted(kept_cells(part), key=lambda cell: order[cell.figure, cell.cell])
    chosen = [cell for cell in cells if not figures or cell.figure in figures]
    lines = [_line(cell, before.figure if before else "") for before, cell in pairwise((None, *chosen)) if cell]
    return "\n".join((*_HEAD, *lines))


def _line(cell: Cell, figure_before: str) -> str:
    figure = "" if cell.figure == figure_before else cell.figure
    span = f"{cell.low:.4g} – {cell.high:.4g}" if cell.others else ""
    return (
        f"| {figure} | {cell.cell} | {cell.published:g} | {cell.arithmetic:.4g} | {cell.simulated:.4g} | {span} "
        f"| {cell.ratio:.2f} | {cell.misfit} |"
    )
