"""The cells of a publication under any set of its unknowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from moe_cosim.sim.reproduce.base import Reproduction
from moe_cosim.sim.reproduce.cell import Cell, over_seeds
from moe_cosim.sim.reproduce.fit.distance import distance, noises
from moe_cosim.sim.reproduce.fit.unknowns import Unknown, settings_of, unknowns_of
from moe_cosim.sim.reproduce.runs import RunKey, key, run_all
from moe_cosim.sim.reproduce.seeds import routing_seeds, with_seed
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import AssumptionRow

Values = Mapping[str, Any]
"""By unknown; the others are at their defaults."""


class SimulatedSets:
    """Every set with the first routing seed; what further ones make of the default set is a cell's noise.

    Runs that are shorter say how cells change: with `full`, the default set's cells in full length, each cell is taken
    times what shortness makes of it by default.
    """

    def __init__(self, chosen: Reproduction, workers: int, seeds: int, full: Sequence[Cell] = ()) -> None:
        self._chosen, self._workers = chosen, workers
        routings, runs = routing_seeds(0, seeds), chosen.runs()
        wanted = dict.fromkeys(with_seed(run, each) for each in routings for run in runs)
        results = run_all(list(wanted), workers, None)
        self.default = over_seeds(
            chosen.cells(lambda run, each=each: results[with_seed(run, each)])  # type: ignore[misc]
            for each in routings
        )
        self.noise = noises(self.default)
        self._scale = [
            long.simulated / cell.simulated if cell.simulated else 1.0
            for long, cell in zip(full, self.default, strict=bool(full))
        ]
        self.default = self._scaled(self.default)
        self._by_default = {with_seed(run, 0): results[with_seed(run, 0)] for run in runs}
        first = [(run[0], self._left_open(run)) for run in runs]
        self._asked = {experiment: set[str]() for experiment, _ in first}
        for experiment, rows in first:
            self._asked[experiment] |= {row.name for row in rows}
        self.unknowns: list[Unknown] = unknowns_of(chosen, {r.name: r for _, rows in first for r in rows}.values())

    def cells(self, values: Values) -> list[Cell]:
        """Raises what a run raises that cannot be."""
        chosen, settings = self._chosen, settings_of(self.unknowns, values)
        own = {one.name: one.default for one in self.unknowns if not one.is_assumption}
        for name, default in own.items():
            setattr(chosen, name, values.get(name, default))
        try:
            wanted = [self._under(run, settings) for run in chosen.runs()]
            missing = [run for run in dict.fromkeys(wanted) if run not in self._by_default]
            results = self._by_default | run_all(missing, self._workers, None)

            def lookup(run: RunKey) -> Result:
                return results[self._under(run, settings)]

            return self._scaled(chosen.cells(lookup))
        finally:
            for name, default in own.items():
                setattr(chosen, name, default)

    def distance(self, cells: list[Cell]) -> float:
        """Of cells from the published numbers, over their noise."""
        return distance(cells, self.noise)

    def _left_open(self, run: RunKey) -> list[AssumptionRow]:
        """What it assumes and does not set itself."""
        own = {name for name, _ in run[1]}
        rows = self._by_default[with_seed(run, 0)].assumptions
        return [row for row in rows if f"assumptions.{row.name}" not in own]

    def _scaled(self, cells: list[Cell]) -> list[Cell]:
        if not self._scale:
            return cells
        return [replace(cell, simulated=cell.simulated * by) for cell, by in zip(cells, self._scale, strict=True)]

    def _under(self, run: RunKey, settings: Values) -> RunKey:
        """With what this experiment makes assumptions of."""
        experiment, own = with_seed(run, 0)
        asked = self._asked[experiment]
        known = {path: value for path, value in settings.items() if path.removeprefix("assumptions.") in asked}
        return key(experiment, {**known, **dict(own)})
