"""The page that a figure is printed on: sizes, letters, legend, and the file."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, RunError
from moe_cosim.whole_file import write_whole

if TYPE_CHECKING:
    from moe_cosim.sim.figures.charts.chart import PrintedChart

FORMATS: Final = (".pdf", ".png", ".svg")


@dataclass(frozen=True)
class PaperSize:
    """A width that publishers print at."""

    width_in: float
    height_in: float
    """Unless another is asked for."""
    source: str


_IEEE: Final = "IEEE Author Center, Resolution and Size: one column 3.5 in (88.9 mm), two columns 7.16 in (182 mm)"
_ACM: Final = (
    "acmart.cls, sigconf and sigplan: paper 8.5 in wide, 54 pt left and right, columnsep 2pc (24 pt): text 506.295 pt, "
    "column 241.147 pt (72.27 pt to the inch)"
)
_TEXT_PT: Final = 8.5 * 72.27 - 2 * 54
SIZES: Final = {
    "ieee-1": PaperSize(3.5, 2.1, _IEEE),
    "ieee-2": PaperSize(7.16, 2.3, _IEEE),
    "acm-1": PaperSize((_TEXT_PT - 24) / 2 / 72.27, 2.1, _ACM),
    "acm-2": PaperSize(_TEXT_PT / 72.27, 2.3, _ACM),
}
_HEIGHTS_IN: Final = (0.8, 10.0)
_LEGEND_ROW_IN: Final = 0.15
_LETTERS_PER_IN: Final = 14
"""Of a name in the legend that takes the whole width."""
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

STYLE: Final[dict[str, Any]] = {
    "font.size": 8,  # IEEE and ACM ask for 8 points and more in figures
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.0,
    "legend.handletextpad": 0.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "grid.linewidth": 0.4,
    "grid.color": "#cccccc",
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType, embedded: publishers refuse type 3
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "moe-cosim",  # the same file every time
    "savefig.dpi": 300,
    "text.parse_math": False,  # a name may have a $ in it; logarithmic axes do without (`_powers`)
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
}


def size_of(name: str, height_in: float | None) -> tuple[float, float]:
    """Width and height in inches; `InputError` for an unknown size or a height that no page has."""
    if name not in SIZES:
        raise InputError("plot", "--size", name, SIZES)
    low, high = _HEIGHTS_IN
    if height_in is not None and not low <= height_in <= high:
        raise InputError("plot", "--height", height_in, f"inches from {low:g} to {high:g}")
    return SIZES[name].width_in, height_in or SIZES[name].height_in


def print_chart(chart: PrintedChart, path: Path, width_in: float, height_in: float) -> str:
    """Draw `chart` and write it to `path`, whole or not at all; the letters that the font does not have.

    Raises `RunError` where it cannot be written.
    """
    extras.load("matplotlib").use("Agg")
    pyplot = extras.load("matplotlib.pyplot")
    with pyplot.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = drawn(chart, width_in, height_in)
        kind = path.suffix.removeprefix(".")
        metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
        try:
            image = io.BytesIO()
            figure.savefig(image, format=kind, metadata=metadata)
            write_whole(path, image.getvalue())
        except OSError as error:
            raise RunError(f"{path}: cannot write there: {error.strerror or error}") from None
        finally:
            pyplot.close(figure)
    codes = dict.fromkeys(code for each in caught for code in re.findall(r"^Glyph (\d+)", str(each.message)))
    return "".join(chr(int(code)) for code in codes)


def drawn(chart: PrintedChart, width_in: float, height_in: float) -> Any:
    """The matplotlib figure, to be closed; under the rules of `STYLE`. A legend of several rows adds to the height."""
    pyplot = extras.load("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(width_in, height_in))
    chart.draw(axes)
    for side in ("top", "right"):
        axes.spines[side].set_visible(chart.is_framed)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            _powers(axis)
    rows = _legend(figure, axes, chart.legend_title)
    figure.set_size_inches(width_in, height_in + max(rows - 1, 0) * _LEGEND_ROW_IN)
    _make_room(figure, axes)
    return figure


def _legend(figure: Any, axes: Any, title: str) -> int:
    """Above the axes, row by row, in as few rows as the width allows, which are counted; a single series has none."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) < 2:
        return 0
    renderer = figure.canvas.get_renderer()
    for columns in range(len(names), 0, -1):
        order = [at for column in range(columns) for at in range(column, len(names), columns)]  # filled by column
        shown = [handles[at] for at in order], [names[at] for at in order]
        legend = figure.legend(
            *shown, loc="outside upper center", ncols=columns, borderaxespad=0.1, title=title or None
        )
        if legend.get_window_extent(renderer).width <= figure.bbox.width:
            break
        if columns == 1:
            for text in legend.get_texts():
                text.set_text("\n".join(textwrap.wrap(text.get_text(), int(_LETTERS_PER_IN * figure.get_figwidth()))))
            break
        legend.remove()
    return -(-len(names) // columns) + bool(title)


def _powers(axis: Any) -> None:
    """Ticks of a logarithmic axis in plain letters: 1, 10, 100, and 10⁶ where that is shorter. Within two decades at 2
    and 5 as well."""
    ticker = extras.load("matplotlib.ticker")
    axis.set_minor_formatter(ticker.NullFormatter())
    if isinstance(axis.get_major_locator(), ticker.FixedLocator):  # the chart has written its own
        axis.set_minor_locator(ticker.NullLocator())
        return
    low, high = axis.get_view_interval()
    few = high < 100 * low
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _power(value)))


def _power(value: float) -> str:
    if value <= 0 or 1e-3 <= value < 1e5:
        return f"{value:g}"
    digits, _, exponent = f"{value:.0e}".partition("e")
    power = "10" + str(int(exponent)).translate(_RAISED)
    return power if digits == "1" else f"{digits}·{power}"


def _make_room(figure: Any, axes: Any) -> None:
    """Names of categories that would touch are broken into lines, and turned where that is not enough; so are labels
    longer than their axes."""
    labels = [label.get_text() for label in axes.get_xticklabels()]
    is_named = any(re.search("[A-Za-z]", text) for text in labels)
    if _touch(figure, axes) and is_named and axes.get_xticklabels()[0].get_rotation() == 0:
        axes.set_xticks(axes.get_xticks(), [_broken(text) for text in labels])
        if _touch(figure, axes):
            axes.set_xticks(axes.get_xticks(), labels)
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
            figure.draw_without_rendering()
    for groups in axes.child_axes:
        if _touch(figure, groups):
            names = [_broken(label.get_text()) for label in groups.get_xticklabels()]
            groups.set_xticks(groups.get_xticks(), names)
    for each in figure.axes:
        if each.yaxis.label.get_window_extent().height > each.bbox.height:
            each.set_ylabel(_broken(each.get_ylabel()))
    if axes.xaxis.label.get_window_extent().width > figure.bbox.width:
        axes.set_xlabel(_broken(axes.get_xlabel()))


def _touch(figure: Any, axes: Any) -> bool:
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    boxes.sort(key=lambda box: box.x0)
    gap = 3 * figure.dpi / 72
    return any(left.x1 + gap > right.x0 for left, right in pairwise(boxes))


def _broken(text: str) -> str:
    """In two lines, at the space or hyphen that is nearest to the middle."""
    places = [at + 1 for at, letter in enumerate(text[:-1]) if letter in " -/"]
    if not places:
        return text
    at = min(places, key=lambda place: abs(place - len(text) / 2))
    return f"{text[:at].rstrip(' ')}\n{text[at:]}"
