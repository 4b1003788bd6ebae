"""Steps of a block that are alike in all but addresses and what they have seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints


class Cells(NamedTuple):
    """[cells] Layers of steps."""

    step: Ints
    layer: Ints
    """Of the model."""


@dataclass(frozen=True)
class Pass:
    """The prefill, or all decode steps of a block: whose steps put equally many tokens through the model, so that
    dense kernels of one kind are the same in all of them."""

    steps: range
    tokens: int
    every: Cells
    sparse: Cells
    """Of MoE layers..."""
    dense: Cells
    """...and of the others."""
    projections_ps: int
    """Minimum time of the kernels on the GPU, by `UnitModel.dense_ps`."""
    gate_ps: int
    shared_ps: int
    dense_ps: int
    head_ps: int

    @property
    def prefill(self) -> bool:
        return self.steps.start == 0


def passes_of(scene: Scene) -> Iterator[Pass]:
    """Those that the block has, the prefill first."""
    model, work, steps = scene.model, scene.workload, scene.steps
    attention, matrices = model.attention, model.expert.matrices
    columns = (
        attention.projection_weights(model.hidden) / model.hidden,
        model.routed_experts,
        matrices * model.shared_intermediate,
        matrices * model.dense_intermediate,
        model.vocab,
    )
    tokens = work.batch * work.prompt_tokens, work.batch
    busy = scene.gpu_model.dense_ps(np.array(tokens)[:, None], model.hidden, np.array(columns)).tolist()
    every = np.arange(model.layers)
    others = np.delete(every, scene.moe_layers) if len(scene.moe_layers) < model.layers else every[:0]
    parts = range(steps.start, min(steps.stop, 1)), range(max(steps.start, 1), steps.stop)
    for part, count, times in zip(parts, tokens, busy, strict=True):
        if not part:
            continue
        cells = Cells(*scene.grid(part, every))
        sparse = Cells(*scene.grid(part, scene.moe_layers)) if len(others) else cells
        projections, gate, shared, dense, _ = times
        yield Pass(
            part,
            count,
            cells,
            sparse,
            Cells(*scene.grid(part, others)),
            projections,
            gate,
            shared,
            dense,
            head_ps=busy[1][-1],  # of each sequence's last token alone
        )
