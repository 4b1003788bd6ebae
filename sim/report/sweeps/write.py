"""A store as a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moe_cosim import extras
from moe_cosim.sim.report.parts import Card, Headline, Panel, Section, Sentence
from moe_cosim.sim.report.sweeps import sections
from moe_cosim.sim.report.sweeps.points import sweep_points
from moe_cosim.sim.report.write import WrittenReport, write_page
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.query.status import status
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.sim.trace.folder import check_file


def report_sweep(store: Store, path: str | Path, metrics: Sequence[str] = ()) -> WrittenReport:
    """Write what the finished points of `store` came to, to the HTML file `path`, whole or not at all.

    `metrics` are columns of the table `results` (default: those of `METRICS` that differ); the front is of the first
    two. Raises `InputError` for unknown metrics, a store without a finished point, and without the extras ``report``
    and ``sweep``; `RunError` where the file cannot be written.
    """
    check_file(Path(path))
    extras.load("vl_convert", "report", "report")
    tables = Tables(store)
    points = sweep_points(tables, metrics)
    name = store.path.resolve().name
    found = [_overview(store, tables), sections.front(points), sections.parameters(points), sections.table(points)]
    subtitle = "What varied, what came of it, and what no other configuration beats."
    return write_page(path, name, subtitle, found, [name])


def _overview(store: Store, tables: Tables) -> Section:
    stands = status(store)
    plans = stands["plans"]
    lines = [(plan["name"], f"{plan['finished']:,} of {plan['points']:,} points finished") for plan in plans]
    figures = [
        Headline("Finished points", f"{stands['finished']:,}"),
        Headline("Failed points", f"{stands['failed']:,}"),
    ]
    said = []
    if tables.left_out:
        said.append(f"{tables.left_out:,} points of other versions of the code are left out.")
    if tables.damaged:
        said.append(f"Damaged, and not read: {', '.join(tables.damaged)}.")
    card = Card("Sweeps of this store", lines, figures)
    reads = "Of each configuration one version of the code is shown: that at hand, or else the newest."
    return Section("sweep", "Sweep", reads, [Panel("", [card, *(Sentence(each, True) for each in said)], is_wide=True)])
