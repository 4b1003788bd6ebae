"""Which copy of each expert is read, and by whom: a table from which many runs are planned at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.plan import Column, PlanBuilder
from moe_cosim.workloads.policies.parts.staging import StagingRing

I64 = NDArray[np.int64]


class Copies:
    """Columns as a plan has them: `unit`, `weight_format`, `address` and `move`, each [layers, experts]."""

    def __init__(self, addresses: I64, weight_format: int, unit: Column) -> None:
        """Those at `addresses` from the start, each read by its `unit`."""
        self.address = addresses.copy()
        self.weight_format, self.unit, self.move = (np.empty_like(addresses) for _ in range(3))
        self.weight_format[:], self.unit[:], self.move[:] = weight_format, unit, -1

    def put(
        self, layer: Column, expert: Column, unit: Column, weight_format: Column, address: Column, move: Column
    ) -> None:
        """From now on these copies are read."""
        self.unit[layer, expert], self.weight_format[layer, expert] = unit, weight_format
        self.address[layer, expert], self.move[layer, expert] = address, move

    def run(self, plan: PlanBuilder, rows: DemandRows) -> None:
        """Every row by the unit, and from the copy, that the table has for its expert."""
        at = rows.layer, rows.expert
        columns = (self.unit[at], self.weight_format[at], self.address[at], self.move[at])
        plan.run_rows(rows.step, rows.layer, rows.expert, rows.tokens, *columns)

    def run_passing(
        self,
        plan: PlanBuilder,
        rows: DemandRows,
        through: StagingRing,
        gpu: int,
        passing: NDArray[np.bool_],
        deferred: Column = False,
    ) -> None:
        """As `run`, but those `passing` [rows] are copied `through` the ring and run on the `gpu`."""
        at = rows.layer, rows.expert
        unit, weight_format, address, move = (
            column[at] for column in (self.unit, self.weight_format, self.address, self.move)
        )
        going = np.flatnonzero(passing)
        if len(going):
            target, prefetch, after_run = through.turns(plan.next_run + going)
            layer, expert, source = rows.layer[going], rows.expert[going], address[going]
            first = plan.move_rows(
                rows.step[going], layer, layer, expert, weight_format[going], source, target, prefetch, after_run
            )
            unit[going], address[going], move[going] = gpu, target, first + np.arange(len(going))
        columns = (unit, weight_format, address, move, deferred)
        plan.run_rows(rows.step, rows.layer, rows.expert, rows.tokens, *columns)
