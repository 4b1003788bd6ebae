"""What every chart is."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from moe_cosim.sim.figures.text_table import FigureTable


class PrintedChart(Protocol):
    """Numbers in the units that are shown, with the words that stand beside them."""

    is_framed: ClassVar[bool]
    """Whether a line runs around all sides of it."""

    @property
    def legend_title(self) -> str:
        """What the names in the legend are values of, where they do not say it themselves."""

    def draw(self, axes: Any) -> None:
        """On empty axes of matplotlib; whatever the legend is to have is labelled."""

    def table(self) -> FigureTable:
        """The same numbers."""
