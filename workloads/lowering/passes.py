"""Steps of a block that are alike in all but addresses and what they have seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from moe_cosim.hw_models.formats import FP16, WeightFormat
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Cells, Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place


class PassKind(Enum):
    """How tokens attend, and whether their keys and values are kept."""

    PROMPT = auto()
    """Of a decoder-only model: every token attends to those before it, and its keys and values are kept."""
    ENCODER = auto()
    """Every token of the prompt attends to all of it, and nothing is kept."""
    DECODE = auto()
    """One token of each sequence, or its last one and those drafted behind it."""


@dataclass(frozen=True)
class Pass:
    """Steps of a block that put equally many tokens through the same layers, so that dense kernels of one kind are the
    same in all of them: the prompt or the encoder, and decode (which with an encoder begins in step 0)."""

    kind: PassKind
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
    head_tokens: int
    """Whose next token is asked for: each sequence's last, or all that are verified."""
    head_ps: int
    sequences: int
    """All, or those of a micro-batch..."""
    first_sequence: int = 0
    """...and how many the micro-batches before it have..."""
    number: int = 0
    """...of which there are so many."""
    band: int = 0
    """What to add to the slots of its events (`slots.BAND`)."""
    attends_apart: bool = False
    """Whether its attention lies before all bands."""

    def attention_place(self, order: int = 0) -> Place:
        """Among the events of the attention of this micro-batch, of which `order` may say 16."""
        band = 0 if self.attends_apart else self.band
        turns = 0 if band else slots.BAND * self.number
        return Place(*self.every, slots.ATTENTION + band, turns + order)

    def place(self, cells: Cells, slot: int, order: int = 0) -> Place:
        """Among the events of this pass, in its band of slots."""
        return Place(cells.step, cells.layer, slot + self.band, order)


def passes_of(scene: Scene) -> Iterator[Pass]:
    """Those that the block has, the prompt's first."""
    model, work, steps = scene.model, scene.workload, scene.steps
    tokens = work.batch * work.prompt_tokens, work.tokens_per_step
    heads = work.batch, work.tokens_per_step
    times = times_of(scene, tokens, heads)
    first_steps = range(steps.start, min(steps.stop, 1))
    every = np.arange(model.layers)
    parts = (
        (PassKind.PROMPT, first_steps, every),
        (PassKind.DECODE, range(max(steps.start, 1), steps.stop), every),
    )
    if model.encoder_layers:
        encoder, decoder = np.split(every, [model.encoder_layers])
        parts = (PassKind.ENCODER, first_steps, encoder), (PassKind.DECODE, steps, decoder)
    for (kind, part, layers), count, head, own in zip(parts, tokens, heads, times, strict=True):
        if not part:
            continue
        cells, sparse = Cells(*scene.grid(part, layers)), np.isin(layers, scene.moe_layers)
        yield Pass(
            kind,
            part,
            count,
            cells,
            cells if sparse.all() else Cells(*scene.grid(part, layers[sparse])),
            Cells(*scene.grid(part, layers[~sparse])),
            own.projections[cells.layer],
            own.gate,
            own.shared,
            own.dense,
            head,
            own.head,
            work.batch,
        )


class _Times(NamedTuple):
    """ps of the products of a layer, or of the head."""

    projections: Ints
    """[layers]."""
    gate: int
    shared: int
    dense: int
    head: int


def times_of(scene: Scene, tokens: tuple[int, ...], heads: tuple[int, ...]) -> list[_Times]:
    """Of so many `tokens` each, of which `heads` are asked for the next one."""
    model, formats = scene.model, scene.formats

    def feed_forward(width: int) -> tuple[tuple[int, int], ...]:
        """The matrices into it are one product."""
        return (model.hidden, (model.expert.matrices - 1) * width), (width, model.hidden)

    parts = (
        (model.router_products, FP16),
        (feed_forward(model.shared_intermediate), formats.shared),
        (feed_forward(model.dense_intermediate), formats.shared),
    )

    def busy_ps(
        products: tuple[tuple[int, int], ...], weights: WeightFormat, counts: tuple[int, ...] = tokens
    ) -> list[int]:
        inner, columns = np.array(products).T
        rows = np.array(counts)[:, None]
        found: list[int] = scene.gpu_model.dense_ps(rows, inner, columns, weights).sum(axis=1).tolist()
        return found

    by_attention = {each: busy_ps(each.projections(model.hidden), formats.attention) for each in model.attentions}
    projections = np.array([by_attention[each] for each in model.attention_by_layer], dtype=np.int64).T
    busy = [busy_ps(products, weights) for products, weights in parts]
    busy.append(busy_ps(((model.hidden, model.vocab),), formats.head, heads))
    return [_Times(*each) for each in zip(projections, *busy, strict=True)]
