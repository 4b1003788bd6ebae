"""Where experts ran, whether they were at hand, and what their precision cost."""

from __future__ import annotations

import numpy as np

from moe_cosim.sim.results.rows import ExpertSummary
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.quantization.losses import LossTable


def expert_summary(plan: Plan, gpu: str) -> ExpertSummary:
    """Decode steps only. A hit was in GPU memory before the gate asked; a miss was fetched then.

    `hit_rate` is hits over GPU runs (prefetched ones that were announced earlier count as hits).
    """
    runs = plan.runs[plan.runs["step"] > 0]
    on_gpu = runs[runs["unit"] == plan.units.index(gpu)]
    moved = on_gpu["move"] >= 0
    moves = plan.moves[on_gpu["move"][moved]]
    mine = on_gpu[moved]
    asked_now = (moves["step"] == mine["step"]) & (moves["layer"] == mine["layer"])
    misses = int(asked_now.sum())
    ahead = int(moves["prefetch"][~asked_now].sum())
    hits = len(on_gpu) - misses
    skipped = int((plan.skips["step"] > 0).sum())
    return ExpertSummary(
        gpu_hits=hits,
        gpu_hits_by_prefetch=ahead,
        gpu_misses=misses,
        hit_rate=hits / len(on_gpu) if len(on_gpu) else None,
        near_data=len(runs) - len(on_gpu),
        near_data_share=(len(runs) - len(on_gpu)) / len(runs) if len(runs) else None,
        skipped=skipped,
        moves=int((plan.moves["step"] > 0).sum()),
    )


def mean_loss(plan: Plan, losses: LossTable) -> float | None:
    """Mean of L(layer, expert, bits) over the routed tokens of the decode; 16 bits lose 0.

    None where a width in use is not in the table. Skipped experts are not in the mean.
    """
    runs = plan.runs[plan.runs["step"] > 0]
    if not len(runs):
        return None
    bits = np.array([weight_format.bits for weight_format in plan.formats])[runs["format"]]
    total = 0.0
    for width in np.unique(bits).tolist():
        if width == 16:
            continue
        if width not in losses.bits:
            return None
        rows = runs[bits == width]
        lost = losses.loss[rows["layer"], rows["expert"], losses.bits.index(width)]
        total += float((rows["tokens"] * lost).sum())
    return total / float(runs["tokens"].sum())
