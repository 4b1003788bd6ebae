"""Steps of a block that are alike in all but addresses and what they have seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from moe_cosim.hw_models.formats import FP16, WeightFormat
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
    projections_ps: Ints
    """[every] Least time of the kernels on the GPU, by `UnitModel.dense_ps`."""
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
    tokens = work.batch * work.prompt_tokens, work.batch
    times = _times(scene, tokens)
    every = np.arange(model.layers)
    others = np.delete(every, scene.moe_layers) if len(scene.moe_layers) < model.layers else every[:0]
    parts = range(steps.start, min(steps.stop, 1)), range(max(steps.start, 1), steps.stop)
    for part, count, own in zip(parts, tokens, times, strict=True):
        if not part:
            continue
        cells = Cells(*scene.grid(part, every))
        sparse = Cells(*scene.grid(part, scene.moe_layers)) if len(others) else cells
        yield Pass(
            part,
            count,
            cells,
            sparse,
            Cells(*scene.grid(part, others)),
            own.projections[cells.layer],
            own.gate,
            own.shared,
            own.dense,
            times[1].head,  # of each sequence's last token alone
        )


class _Times(NamedTuple):
    """ps of the products of a layer, or of the head."""

    projections: Ints
    """[layers]."""
    gate: int
    shared: int
    dense: int
    head: int


def _times(scene: Scene, tokens: tuple[int, ...]) -> list[_Times]:
    """Of so many `tokens` each."""
    model, formats = scene.model, scene.formats

    def feed_forward(width: int) -> tuple[tuple[int, int], ...]:
        """The matrices into it are one product."""
        return (model.hidden, (model.expert.matrices - 1) * width), (width, model.hidden)

    parts = (
        (model.router_products, FP16),
        (feed_forward(model.shared_intermediate), formats.shared),
        (feed_forward(model.dense_intermediate), formats.shared),
        (((model.hidden, model.vocab),), formats.head),
    )
    rows = np.array(tokens)[:, None]

    def busy_ps(products: tuple[tuple[int, int], ...], weights: WeightFormat) -> list[int]:
        inner, columns = np.array(products).T
        found: list[int] = scene.gpu_model.dense_ps(rows, inner, columns, weights).sum(axis=1).tolist()
        return found

    by_attention = {each: busy_ps(each.projections(model.hidden), formats.attention) for each in model.attentions}
    projections = np.array([by_attention[each] for each in model.attention_by_layer], dtype=np.int64).T
    busy = [busy_ps(products, weights) for products, weights in parts]
    return [_Times(*each) for each in zip(projections, *busy, strict=True)]
