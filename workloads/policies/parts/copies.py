"""Which copy of each expert is read, and by whom: a table from which many runs are planned at once."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.plan import Column, PlanBuilder
from moe_cosim.workloads.policies.parts.staging import StagingRing

I64 = NDArray[np.int64]


class Ahead(NamedTuple):
    """Experts that come to the GPU from when their layer begins."""

    rows: I64
    """[n] of the rows that are run."""
    target: I64
    """[n] where each is put; the layers share these places."""


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
        ahead: Ahead | None = None,
    ) -> None:
        """As `run`, but those `passing` [rows] are copied `through` the ring and run on the `gpu`, as are those that
        come `ahead` of them, which are none of those passing."""
        at = rows.layer, rows.expert
        unit, weight_format, address, move = (
            column[at] for column in (self.unit, self.weight_format, self.address, self.move)
        )
        going, moves = _moves(np.flatnonzero(passing), plan.next_run, through, ahead)
        if len(going):
            layer, expert, source = rows.layer[going], rows.expert[going], address[going]
            first = plan.move_rows(
                rows.step[going],
                layer,
                layer,
                expert,
                weight_format[going],
                source,
                *(moves[name] for name in _COLUMNS),
            )
            unit[going], address[going], move[going] = gpu, moves["target"], first + np.arange(len(going))
        columns = (unit, weight_format, address, move, deferred)
        plan.run_rows(rows.step, rows.layer, rows.expert, rows.tokens, *columns)


_COLUMNS: Final = ("target", "prefetch", "after_run", "early")
"""Of a move, as `PlanBuilder.move_rows` has them."""


def _moves(passing: I64, next_run: int, through: StagingRing, ahead: Ahead | None) -> tuple[I64, dict[str, I64]]:
    """Rows that are moved, in their order, and the columns of their moves."""
    target, prefetch, after_run = through.turns(next_run + passing) if len(passing) else (passing,) * 3
    columns = target, prefetch, after_run, np.zeros_like(passing)
    if ahead is None:
        return passing, dict(zip(_COLUMNS, columns, strict=True))
    none = np.zeros_like(ahead.rows)
    every = np.concatenate([passing, ahead.rows])
    order = np.argsort(every, kind="stable")
    both = zip(columns, (ahead.target, none, none - 1, none + 1), strict=True)
    return every[order], {name: np.concatenate(pair)[order] for name, pair in zip(_COLUMNS, both, strict=True)}
