"""How busy every unit was."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.rows import UnitRow
from moe_cosim.workloads.program import COMPUTE, COPY, STREAM, Program


def unit_rows(machine: Machine, program: Program, timeline: Timeline, decode_from_ps: int) -> list[UnitRow]:
    """Per unit: time in which at least one of its lanes computes or moves data.

    ``decode_utilization_with_copies`` also counts the DMA engine beside it.
    """
    working = np.isin(program.events["kind"], (COMPUTE, STREAM, COPY))
    unit_of_lane = [unit for unit, _ in program.lanes]
    total_ps = timeline.total_ps
    rows = []
    for name, unit in machine.units.items():
        lanes = [index for index, owner in enumerate(unit_of_lane) if owner == name]
        mine = working & np.isin(program.events["lane"], lanes)
        start, end = timeline.start_ps[mine], timeline.end_ps[mine]
        busy = _union_ps(start, end)
        in_decode = _union_ps(np.maximum(start, decode_from_ps), np.maximum(end, decode_from_ps))
        beside = [
            index for index, owner in enumerate(unit_of_lane) if machine.units[owner].local_memory == unit.local_memory
        ]
        also = working & np.isin(program.events["lane"], beside)
        with_copies = _union_ps(
            np.maximum(timeline.start_ps[also], decode_from_ps), np.maximum(timeline.end_ps[also], decode_from_ps)
        )
        decode_ps = total_ps - decode_from_ps
        rows.append(
            UnitRow(
                name=name,
                kind=unit.kind,
                busy_s=busy / 1e12,
                utilization=busy / total_ps if total_ps else 0.0,
                decode_utilization=in_decode / (total_ps - decode_from_ps) if total_ps > decode_from_ps else 0.0,
                decode_utilization_with_copies=with_copies / decode_ps if decode_ps > 0 else 0.0,
                events=int(mine.sum()),
            )
        )
    return rows


def _union_ps(start: np.ndarray, end: np.ndarray) -> int:
    """Length of the union of intervals."""
    if not len(start):
        return 0
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    covered_from = np.maximum(start, np.concatenate([start[:1], reach[:-1]]))
    return int(np.maximum(end[order] - covered_from, 0).sum())
