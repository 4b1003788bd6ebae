"""What a critical path is told by: (unit, phase, purpose, bound), as one number."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.sim.results.rows import PathRow
from moe_cosim.workloads.programs.program import PHASES, PURPOSES

_SHAPE: Final = (len(PHASES), len(PURPOSES), len(BOUNDS))
CELLS_PER_UNIT: Final = len(PHASES) * len(PURPOSES) * len(BOUNDS)
_PS_PER_S: Final = 1e12


def cells(unit: NDArray[np.int64], tags: NDArray[np.void] | None, bound: NDArray[Any]) -> NDArray[np.int64]:
    """[n] of events by their unit, their tags (None: all are 0) and what bounds them."""
    found: NDArray[np.int64] = unit * CELLS_PER_UNIT + bound
    if tags is not None:
        found += (tags["phase"].astype(np.int64) * _SHAPE[1] + tags["purpose"]) * _SHAPE[2]
    return found


def path_rows(machine: Machine, sums: NDArray[np.int64], is_tagged: bool) -> list[PathRow]:
    """The `sums` [cells] (ps) that are not 0, the largest first; without tags with no phase and purpose."""
    units = list(machine.units)
    found = np.flatnonzero(sums)
    found = found[np.argsort(-sums[found], kind="stable")]
    total_ps = int(sums.sum())
    rows = []
    for cell, time_ps in zip(found.tolist(), sums[found].tolist(), strict=True):
        rest, bound = divmod(cell, _SHAPE[2])
        rest, purpose = divmod(rest, _SHAPE[1])
        unit, phase = divmod(rest, _SHAPE[0])
        rows.append(
            PathRow(
                unit=units[unit],
                phase=PHASES[phase] if is_tagged else "",
                purpose=PURPOSES[purpose] if is_tagged else "",
                bound=BOUNDS[bound],
                time_ps=time_ps,
                seconds=time_ps / _PS_PER_S,
                share=time_ps / total_ps,
            )
        )
    return rows
