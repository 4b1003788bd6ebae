"""What a draft model does before a decode step: a pass for each drafted token, in the first step one of the prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.formats import FP16
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.kernels import KV, WEIGHTS
from moe_cosim.workloads.lowering.scene import Scene, model_of
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE
from moe_cosim.workloads.verify.draft import PlacedDraft
from moe_cosim.workloads.verify.draft_model import Products

_DRAFT, _SYNCHRONISE, _HOST = (PURPOSES.index(name) for name in ("draft", "synchronise", "host"))
_BEFORE_PASSES, _ASKED, _DRAFTED = 2, 0, 1


@dataclass(frozen=True)
class _Passes:
    """[passes] Alike but for what they have seen; in the order of steps."""

    step: Ints
    number: Ints
    """In the step: 0 is the prompt's, those of drafted tokens count from 1."""
    queries: int
    """Of each sequence."""
    cached: Ints
    """Tokens of a sequence before these."""
    with_head: bool


def lower_draft(scene: Scene) -> None:
    """The events of all steps of the block, before each step's first layer; none where drafts are free."""
    draft, steps = scene.draft, np.arange(max(scene.steps.start, 1), scene.steps.stop)
    if draft is None or not len(steps):
        return
    drafted = scene.workload.drafted_tokens
    first = steps[steps == 1]
    number = np.tile(np.arange(drafted), len(steps))
    step = steps.repeat(drafted)
    prompt = _Passes(first, 0 * first, scene.workload.prompt_tokens, 0 * first, False)
    unit = scene.machine.units[draft.unit]
    for passes in (prompt, _Passes(step, number + 1, 1, scene.decode.cached_tokens[step - 1] + number, True)):
        _lower_passes(scene, draft, unit, passes)
    if draft.unit != scene.gpu.name:
        _synchronise(scene, unit, steps, _order(draft, drafted + 1, 0))


def _order(draft: PlacedDraft, number: ArrayLike, kernel: ArrayLike) -> Ints:
    """Of a kernel in a step: a pass launches, has two kernels a layer, and the head."""
    order: Ints = _BEFORE_PASSES + np.asarray(number) * (2 * draft.model.num_hidden_layers + 2) + np.asarray(kernel)
    return order


def _lower_passes(scene: Scene, draft: PlacedDraft, unit: Unit, passes: _Passes) -> None:
    model, work, timed = draft.model, scene.workload, model_of(unit)
    layers, rows = model.num_hidden_layers, work.batch * passes.queries
    layer = np.tile(np.arange(layers), len(passes.step))
    step, number, cached = (column.repeat(layers) for column in (passes.step, passes.number, passes.cached))
    per_token = work.batch * model.kv_bytes_per_token
    lane = scene.machine.lane_id(unit.name, unit.lanes[0])

    def busy_ps(products: Products) -> int:
        inner, columns = np.array(products).T
        return int(timed.dense_ps(rows, inner, columns, FP16).sum())

    def add(step: Ints, order: Ints, busy: ArrayLike, ranges: tuple[Range, ...]) -> None:
        place, purpose = Place(step, -1, slots.DRAFT, order), Purpose(_DRAFT, tokens=rows)
        scene.sheet.add(STREAM, lane, place, purpose, setup_ps=timed.launch_ps, busy_ps=busy, ranges=ranges)

    # of a prompt's tokens each sees half of them on average
    seen = cached + 1 if passes.queries == 1 else np.full(len(step), passes.queries / 2)
    scores = timed.attention_ps(work.batch, passes.queries, seen, model.attention.core)
    kv = draft.kv + layer * draft.kv_stride
    attends = (
        Range(draft.attention + layer * draft.attention_stride, model.attention_bytes, READ, WEIGHTS),
        Range(kv, per_token * cached, READ, KV),
        Range(kv + per_token * cached, per_token * passes.queries, WRITE, KV),
    )
    weights = Range(draft.feed_forward + layer * draft.feed_forward_stride, model.feed_forward_bytes, READ, WEIGHTS)
    add(step, _order(draft, number, 1 + 2 * layer), busy_ps(model.attention_products) + scores, attends)
    add(step, _order(draft, number, 2 + 2 * layer), busy_ps(model.feed_forward_products), (weights,))
    if passes.with_head:
        head = Range(draft.head, model.head_bytes, READ, WEIGHTS)
        add(passes.step, _order(draft, passes.number, 1 + 2 * layers), busy_ps(model.head_products), (head,))
    if scene.software.layer_ps and unit.name == scene.gpu.name:
        place = Place(passes.step, -1, slots.DRAFT, _order(draft, passes.number, 0))
        launches = layers * scene.software.layer_ps
        scene.sheet.add(COMPUTE, lane, place, Purpose(_HOST, tokens=rows), busy_ps=launches)


def _synchronise(scene: Scene, unit: Unit, steps: Ints, last: Ints) -> None:
    """The GPU says which tokens were accepted, and waits for the next draft; a few bytes that count as none."""
    sheet, lane = scene.sheet, scene.machine.lane_id(unit.name, unit.lanes[0])
    asked, drafted = sheet.new_tokens(len(steps)), sheet.new_tokens(len(steps))
    purpose = Purpose(_SYNCHRONISE)

    def place(order: ArrayLike) -> Place:
        return Place(steps, -1, slots.DRAFT, order)

    sheet.add(SIGNAL, scene.gpu_lane, place(_ASKED), purpose, token=asked)
    sheet.add(WAIT, scene.gpu_lane, place(_DRAFTED), purpose, token=drafted, count=1)
    sheet.add(WAIT, lane, place(_ASKED), purpose, token=asked, count=1)
    sheet.add(SIGNAL, lane, place(last), purpose, token=drafted)
