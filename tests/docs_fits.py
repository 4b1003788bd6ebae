"""The tables of fits in docs, printed from records as ``moe-cosim reproduce NAME --fit --json`` prints them.

A record also says how it was ``made``, which the command does not know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ledger.__main__ import FOLDER
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.fit.distance import distance
from tests.docs_figures import kept_cells

FITS: Final = FOLDER.parent / "fits"
FITTED: Final = tuple(sorted(path.stem for path in FITS.glob("*.json")))
"""Reproductions that have one."""
OF_FITS_PAGE: Final = ("cxl-ndp", "edge-ndp", "trimoe")
"""Fits that docs/fits.md tells of; docs/fits-neighbours.md tells of the others."""
_SETS: Final = ("default", "fitted")
_NEAR: Final = 1.25
_NEAREST: Final = 4
"""Unknowns left at their defaults that are shown, those that alone come nearest."""


def kept_fit(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FITS / f"{part}.json").read_text(encoding="utf-8"))
    return found


def cells_table(part: str) -> str:
    """Published, the paper's arithmetic (where it has one) on the default set's plans, simulated by default, and
    fitted."""
    arithmetic = [cell.arithmetic for cell in _in_order(part)]
    sums = [[] if all(one is None for one in arithmetic) else [f"{one:.4g}"] for one in arithmetic]
    head = ["figure", "cell", "published", *(["paper's arithmetic"] if sums[0] else [])]
    lines = [_line([*head, "default", "ratio", "fitted", "ratio"]), "|" + "---|" * (len(head) + 4)]
    before = ""
    for cell, added_up in zip(kept_fit(part)["cells"], sums, strict=True):
        published, default, fitted = cell["published"], cell["default"], cell["fitted"]
        figure = "" if cell["figure"] == before else cell["figure"]
        before = cell["figure"]
        row = [figure, cell["cell"], f"{published:g}", *added_up, f"{default:.4g}", f"{default / published:.2f}"]
        lines.append(_line([*row, f"{fitted:.4g}", f"{fitted / published:.2f}"]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def neighbours_table() -> str:
    """Of the neighbours' fits: cells within a quarter of the published, distances, and what the set is."""
    head = ["system", "cells", "within 25 %: by default", "fitted", "distance: by default", "fitted", "the set"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for part in FITTED:
        if part in OF_FITS_PAGE:
            continue
        found = kept_fit(part)
        cells = found["cells"]
        counts = [str(sum(_is_near(cell, which) for cell in cells)) for which in _SETS]
        distances = [f"{_far(cells, which):.1f}" for which in _SETS]
        moved = [
            f"`{one['name']}` {_said(one['fitted'])}" for one in found["unknowns"] if one["fitted"] != one["default"]
        ]
        lines.append(_line([part, str(len(cells)), *counts, *distances, ", ".join(moved) or "the default"]))
    return "\n".join(lines)


def _far(cells: Sequence[dict[str, Any]], which: str) -> float:
    """Of all cells under one of `_SETS`, in noise."""
    under = [Cell(one["figure"], one["cell"], one["published"], one[which], at_most=one["at_most"]) for one in cells]
    return distance(under, [one["noise"] for one in cells])


def _is_near(cell: dict[str, Any], which: str) -> bool:
    ratio = cell[which] / cell["published"]
    return bool(ratio <= _NEAR and (cell["at_most"] or ratio >= 1 / _NEAR))


def unknowns_table(part: str) -> str:
    """What the fitted set has elsewhere, what it would be without each; what alone comes nearest; how it was made."""
    found = kept_fit(part)
    moved = [one for one in found["unknowns"] if one["fitted"] != one["default"]]
    others = sorted((one for one in found["unknowns"] if one not in moved), key=lambda one: float(one["alone"]))
    lines = [
        "| unknown | range | default | fitted | place | without | alone | at |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in [*moved, *others[:_NEAREST]]:
        is_moved = one in moved
        place = f"{one['place']:.2f}" if is_moved and one["place"] is not None else ""
        end = ", an end" if one["at_end"] else ""
        without = "cannot run" if one["without"] is None else f"{one['without']:.2f}"
        lines.append(
            f"| `{one['name']}` | {_range(one)} | {_said(one['default'])} | {_said(one['fitted']) if is_moved else ''} "
            f"| {place}{end} | {without if is_moved else ''} | {one['alone']:.2f} | {_said(one['alone_at'])} |"
        )
    return "\n".join((*lines, "", *(f"- {note}" for note in found["notes"]), f"- Made by {found['made']}"))


def _in_order(part: str) -> list[Cell]:
    """The ledger's, as the fit has them; where an extreme lies may differ."""
    kept = list(kept_cells(part))
    found = []
    for cell in kept_fit(part)["cells"]:
        same = [one for one in kept if (one.figure, one.published) == (cell["figure"], cell["published"])]
        (only,) = [one for one in same if one.cell == cell["cell"]] if len(same) > 1 else same
        found.append(only)
    return found


def _range(one: dict[str, Any]) -> str:
    return (", " if one["place"] is None else " to ").join(map(_said, one["range"]))


def _said(value: Any) -> str:
    if isinstance(value, list):  # pairs of lengths
        return (
            " ".join("/".join(map(str, pair)) for pair in value)
            if isinstance(value[0], list)
            else "/".join(map(str, value))
        )
    return "not set" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
