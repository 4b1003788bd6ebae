"""Which class of experts ran where, and how many copies of experts moved."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.base import ExpertShape
from moe_cosim.sim.results.rows import ClassRow, MoveRow
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.plan import Plan

CLASSES: Final = ("hot", "warm", "cold")
HOT_EXPERTS: Final = 0.05
COLD_EXPERTS: Final = 0.71
"""Shares of a layer's experts, ranked by the tokens they got in the step: TriMoE (arXiv 2603.01058) calls
more than 70 % of the experts cold and 20-40 % warm."""


def class_rows(plan: Plan, machine: Machine, demand: Demand) -> list[ClassRow]:
    """Decode only: rows of (class, unit kind) with runs and tokens per layer and step."""
    runs = plan.runs[plan.runs["step"] > 0]
    if not len(runs):
        return []
    cell = runs["step"].astype(np.int64) * demand.layers + runs["layer"]
    order = np.lexsort((runs["expert"], -runs["tokens"], cell))
    starts = np.searchsorted(cell[order], cell[order], side="left")
    rank = np.empty(len(runs), dtype=np.int64)
    rank[order] = np.arange(len(runs)) - starts
    hot = max(1, round(HOT_EXPERTS * demand.num_experts))
    warm = demand.num_experts - round(COLD_EXPERTS * demand.num_experts)
    kind_of = [machine.units[name].kind for name in plan.units]
    kind_of += [machine.units[team[0]].kind for team in plan.teams]
    kinds = sorted(set(kind_of))
    kind = np.array([kinds.index(name) for name in kind_of])[runs["unit"]]
    group = np.where(rank < hot, 0, np.where(rank < warm, 1, 2))
    cells = (demand.steps - 1) * demand.layers
    rows = []
    for index, name in enumerate(CLASSES):
        for which, unit_kind in enumerate(kinds):
            mine = (group == index) & (kind == which)
            if mine.any():
                tokens = int(runs["tokens"][mine].sum())
                rows.append(
                    ClassRow(
                        class_=name,
                        unit=unit_kind,
                        runs_per_layer=int(mine.sum()) / cells,
                        tokens_per_layer=tokens / cells,
                        tokens_share=tokens / int(runs["tokens"].sum()),
                    )
                )
    return rows


def move_rows(plan: Plan, machine: Machine, target_memory: NDArray[np.int64], shape: ExpertShape) -> dict[str, MoveRow]:
    """Decode only: copies and bytes, fetched to a GPU on demand or ahead, or moved between other memories.

    `target_memory` [moves] indexes `machine.memory_list`; -1: a striped copy.
    """
    decoding = plan.moves["step"] > 0
    moves = plan.moves[decoding]
    size = np.array([f.expert_bytes(shape) for f in plan.formats] or [0], dtype=np.int64)[moves["format"]]
    at_gpu = np.array([memory.name == machine.main_unit.local_memory for memory in machine.memory_list] + [False])
    to_gpu = at_gpu[target_memory[decoding]]
    ahead = moves["early"] | (moves["prefetch"] & ~_used_at_once(plan))
    kinds = {
        "to the GPU on demand": to_gpu & ~ahead,
        "to the GPU ahead": to_gpu & ahead,
        "between other memories": ~to_gpu,
    }
    return {
        name: MoveRow(copies=int(mine.sum()), bytes=int(size[mine].sum())) for name, mine in kinds.items() if mine.any()
    }


def _used_at_once(plan: Plan) -> np.ndarray:
    """Decode moves whose copy is run in the layer that asked for it."""
    runs = plan.runs
    moved = runs[runs["move"] >= 0]
    move = plan.moves[moved["move"]]
    same = (move["step"] == moved["step"]) & (move["layer"] == moved["layer"])
    used = np.zeros(len(plan.moves), dtype=bool)
    used[moved["move"][same]] = True
    return used[plan.moves["step"] > 0]
