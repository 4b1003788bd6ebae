"""The compiled looks at a block's plan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled


class PlanSums(NamedTuple):
    """Added up through the run, decode only."""

    runs: NDArray[np.int64]  # [5] runs, on the GPU, of these fetched when asked for, and ahead; tokens
    classes: NDArray[np.int64]  # [classes, kinds of unit, 2] runs and their tokens
    moves: NDArray[np.int64]  # [3, 2] copies and bytes: to the GPU on demand, ahead; between other memories


class PlanKey(NamedTuple):
    """What a block's numbers mean."""

    first_move: int
    gpu: int
    """Index of the unit."""
    hot: int
    """Rank from which an expert of a layer is no longer hot."""
    cold: int
    """Rank from which it is cold."""
    gpu_base: int
    gpu_end: int
    """Addresses of the GPU's memory."""


@compiled
def count_plan(
    runs: NDArray[np.void],
    order: NDArray[np.int64],
    moves: NDArray[np.void],
    prefetched: NDArray[np.bool_],
    kind: NDArray[np.int64],
    format_bytes: NDArray[np.int64],
    key: PlanKey,
    sums: PlanSums,
    used_at_once: NDArray[np.bool_],
    of_format: NDArray[np.int64],
) -> None:
    """Add a block's runs and moves to `sums`. `order` [runs] sorts them by step and layer, and there by tokens, most
    first, then expert. `prefetched` [moves of the run so far].

    Fills `used_at_once` [moves of the block]: run in the layer that asked; and `of_format` [formats]: its runs.
    """
    step, layer, rank = -1, -1, 0
    for place in range(len(order)):
        run = runs[order[place]]
        if run.step <= 0:
            continue
        rank = rank + 1 if run.step == step and run.layer == layer else 0
        step, layer = run.step, run.layer
        sums.runs[0] += 1
        sums.runs[4] += run.tokens
        of_format[run.format] += 1
        which = 0 if rank < key.hot else 1 if rank < key.cold else 2
        sums.classes[which, kind[run.unit], 0] += 1
        sums.classes[which, kind[run.unit], 1] += run.tokens
        asked_now = False
        if run.move >= key.first_move:
            move = moves[run.move - key.first_move]
            asked_now = move.step == step and move.layer == layer
            if asked_now:
                used_at_once[run.move - key.first_move] = True
        if run.unit == key.gpu:
            sums.runs[1] += 1
            if asked_now:
                sums.runs[2] += 1
            elif run.move >= 0 and prefetched[run.move]:
                sums.runs[3] += 1

    for row in range(len(moves)):
        move = moves[row]
        if move.step > 0:
            way = 2
            if key.gpu_base <= move.target < key.gpu_end:
                ahead = prefetched[key.first_move + row] and not used_at_once[row]
                way = 1 if move.early or ahead else 0
            sums.moves[way, 0] += 1
            sums.moves[way, 1] += format_bytes[move.format]
