"""The numbers of a figure as text: CSV for programs, LaTeX for papers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Cell = str | float | None

_TEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "µ": r"\textmu{}", "α": r"$\alpha$", "–": "--", "→": r"$\rightarrow$", "·": r"$\cdot$", "²": r"$^2$",
    "×": r"$\times$", "\n": " ",
}  # fmt: skip


@dataclass(frozen=True)
class FigureTable:
    """A head and rows of as many cells; the first cell names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    """What the numbers are."""
    apart: int = 0
    """So many last rows stand apart: means over the others."""

    def csv(self) -> str:
        """Numbers to the last digit."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return file.getvalue()

    def latex(self) -> str:
        """A ``tabular`` with the rules of the package booktabs, three digits a number."""
        left = [all(isinstance(row[column], str | None) for row in self.rows) for column in range(len(self.head))]
        body = [_line([_shown(cell) for cell in row]) for row in self.rows]
        if self.apart:
            body.insert(len(body) - self.apart, r"\midrule")
        lines = [
            rf"% {tex(self.caption)}",
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{''.join('l' if text else 'r' for text in left)}}}",
            r"\toprule",
            _line([tex(name) for name in self.head]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """`text` as LaTeX prints it, whatever it is made of."""
    return "".join(_TEX.get(letter, letter) for letter in text)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "--"
    return tex(cell) if isinstance(cell, str) else _shown_number(cell)


def _shown_number(number: float) -> str:
    if number == 0 or 1e-3 <= abs(number) < 1e6:
        return three_digits(number)
    mantissa, _, exponent = f"{number:.2e}".partition("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"


def three_digits(number: float) -> str:
    """Three that count, zeros at the end too, and no exponent: ``1.00``, ``54.7``, ``1230``."""
    if number == 0:
        return "0"
    rounded = float(f"{number:.2e}")
    return f"{rounded:.{max(2 - math.floor(math.log10(abs(rounded))), 0)}f}"
