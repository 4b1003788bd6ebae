"""What the ledger keeps: parts, each a table of cells that is computed anew by one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from moe_cosim.experiment import experiment_names, load_experiment
from moe_cosim.sim.crosscheck.run import crosscheck
from moe_cosim.sim.crosscheck.suite import FED, INDEPENDENT, Suite
from moe_cosim.sim.reproduce import reproduce, reproductions
from moe_cosim.sim.run import run
from moe_cosim.sim.validate.kind import Choices
from moe_cosim.sim.validate.validate import validate

Number = int | float
Cells = dict[tuple[str, str], Number]
"""(table, cell) -> number. Times are integer picoseconds where the simulator has them so."""

SEEDS: Final = 5
"""Routing seeds of the reproductions in full length."""

PUBLISHED, AT_MOST = "published", "published, at most"
ARITHMETIC = "by the paper's arithmetic"
LOWEST, MEDIAN, HIGHEST = (f"{which} of {SEEDS} seeds" for which in ("lowest", "median", "highest"))
"""Tables of a reproduction beside those of its figures."""

_SHORT: Final = {"workload.batch": 16, "workload.prompt_tokens": 16, "workload.output_tokens": 6}
"""At most, so that every policy is run on every machine in seconds."""


_NO_CELLS: Final = ("name", "memory", "sst_wall_s", "embedded_wall_s")


def against_sst(suite: Suite) -> Cells:
    """Totals of both engines and their errors: every case, SST as it was recorded."""
    found = crosscheck(live=False, suite=suite).as_dict()
    cells: Cells = {("all cases", name): found[name] for name in ("event_error_median", "event_error_p95")}
    for case in found["cases"]:
        cells |= {(case["name"], name): value for name, value in case.items() if name not in _NO_CELLS}
    return cells


def short_runs() -> Cells:
    """Every shipped experiment, cut down to `_SHORT`."""
    cells: Cells = {}
    for name in experiment_names():
        work = load_experiment(name).workload
        result = run(name, {path: min(most, getattr(work, path.split(".")[1])) for path, most in _SHORT.items()})
        cells[name, "events"] = result.events
        cells[name, "first_token_ps"] = round(result.time_to_first_token_s * 1e12)
        cells[name, "end_to_end_ps"] = round(result.end_to_end_s * 1e12)
        cells[name, "joules"] = result.energy.joules if result.energy else 0.0
    return cells


def reproduction(name: str, quick: bool, seeds: int = SEEDS) -> Cells:
    """Cells, and what the paper's arithmetic makes of them; in full length also what is published, what `seeds` routing
    seeds span, and what cells become under other assumptions."""
    workers = 1 if quick else None  # tests run side by side as it is
    outcome = reproduce(name, workers, sensitivity=not quick, quick=quick, seeds=1 if quick else seeds)
    cells: Cells = {(cell.figure, cell.cell): cell.simulated for cell in outcome.cells}
    for cell in outcome.cells:
        where = f"{cell.figure}: {cell.cell}"
        if cell.arithmetic is not None:
            cells[ARITHMETIC, where] = cell.arithmetic
        if not quick:
            cells[AT_MOST if cell.at_most else PUBLISHED, where] = cell.published
        if cell.others:
            cells |= {(LOWEST, where): cell.low, (HIGHEST, where): cell.high, (MEDIAN, where): cell.median}
    for row in outcome.sensitivity:
        cells[f"{row['assumption']} {row['value']}".strip(), row["cell"]] = row["simulated"]
    return cells


def against_measurements() -> Cells:
    """The relative error of every measurement that ships, and how many of them nothing can be said of."""
    found = validate(choices=Choices(workers=1))
    cells: Cells = {}
    for row in found.rows:
        table, cell = f"{row.kind}: {row.row.file.stem}", f"{row.what}: {row.metric}"
        cells[table, cell if (table, cell) not in cells else f"{cell}, line {row.row.line}"] = row.error
    for one in found.refused:
        refused = f"{one.kind}: {one.row.file.stem}", "refused"
        cells[refused] = cells.get(refused, 0) + 1
    return cells


_ACCURACY: Final = "cxl-ndp-accuracy"
"""Of a model that was measured: it has no routing seeds, and nothing is short about it."""
SIMULATED: Final = tuple(name for name in reproductions() if name != _ACCURACY)
"""Reproductions that run systems."""

PARTS: Final[dict[str, Callable[[], Cells]]] = {
    "crosscheck": partial(against_sst, FED),
    "crosscheck-independent": partial(against_sst, INDEPENDENT),
    "short-runs": short_runs,
    "validation": against_measurements,
    **{f"{name}-quick": partial(reproduction, name, quick=True) for name in SIMULATED},
    _ACCURACY: partial(reproduction, _ACCURACY, quick=False, seeds=1),
    **{name: partial(reproduction, name, quick=False) for name in SIMULATED},
}

IN_THE_SUITE: Final = tuple(PARTS)[: 4 + len(SIMULATED)]
"""Parts that the tests compute too; the others take minutes and are for ``make ledger``."""
