"""Is a plan of neurons one that a machine could carry out as meant? For tests of policies, ours and others'.

Decisions only: every neuron that a token needs is computed on one side, from weights that have room there. What the
program reads for it, and when, is looked at by `program_check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.activity import NeuronActivity
from moe_cosim.workloads.neurons.layout import NeuronLayout
from moe_cosim.workloads.neurons.model import NeuronModel
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, STAGES, NeuronPlan, Placement

I64 = NDArray[np.int64]


class NeuronPlanError(ValueError):
    """A plan that breaks a rule; the text names the stage."""


class PlanNeeds(NamedTuple):
    """What a plan has to serve."""

    model: NeuronModel
    activity: NeuronActivity
    layout: NeuronLayout
    batch: int

    @property
    def gpu_bytes(self) -> int:
        """Of the GPU's memory, what weights of layers may take."""
        return self.layout.hot_bytes + self.model.layers * self.model.projection_bytes


def check_neuron_plan(plan: NeuronPlan, asked: PlanNeeds) -> None:
    """Raise `NeuronPlanError` for the first broken rule."""
    _check_shapes(plan, asked)
    for stage, width, needed, pairs in _stages(plan, asked):
        _check_stage(plan, stage, width, needed, pairs, asked.batch)
    _check_room(plan, asked)
    _check_moves(plan, asked)


def check_placement(placement: Placement, asked: PlanNeeds) -> None:
    """Raise `NeuronPlanError` where what is not streamed, or is loaded, has no room in the GPU's memory."""
    model = asked.model
    streamed, loaded = placement.streamed_bytes, placement.loaded_bytes
    _want(streamed.shape == loaded.shape == (model.layers,), "placement: one number for each layer")
    _want(bool((streamed >= 0).all() and (loaded >= 0).all()), "placement: bytes below 0")
    _want(bool((streamed <= model.layer_bytes).all()), "placement: more is streamed than a layer has")
    kept = int((model.layer_bytes - streamed).sum())
    _want(kept <= asked.gpu_bytes, f"placement: {kept} bytes are not streamed, there is room for {asked.gpu_bytes}")
    hot = int(loaded.sum())
    _want(hot <= asked.layout.hot_bytes, f"placement: {hot} bytes are loaded into room for {asked.layout.hot_bytes}")


def _check_shapes(plan: NeuronPlan, asked: PlanNeeds) -> None:
    steps, layers, units = len(plan.steps), asked.model.layers, len(plan.near_units)
    shapes = {
        "gpu_neurons": (steps, layers, len(STAGES)),
        "near_neurons": (steps, layers, len(STAGES), units),
        "near_products": (steps, layers, len(STAGES), units),
        "swapped_bytes": (steps, layers, units),
        "moved_bytes": (steps, layers, units, units),
    }
    for name, shape in shapes.items():
        table = getattr(plan, name)
        _want(table.shape == shape, f"{name}: shape {table.shape}, not {shape}")
        _want(bool((table >= 0).all()), f"{name}: below 0")


def _stages(plan: NeuronPlan, asked: PlanNeeds) -> Iterator[tuple[int, int, I64, I64]]:
    """Stage, its neurons, and [steps, layers] those that some token needs, and (neuron, token) pairs."""
    model, activity = asked.model, asked.activity
    tokens = activity.tokens[plan.steps.start - 1 : plan.steps.stop - 1].astype(np.int64)
    for stage, block, mine in zip((QKV, MLP), model.blocks, activity.clusters.slices, strict=True):
        size, of_block = activity.clusters.neurons[mine], tokens[:, :, mine]
        yield stage, block.neurons, ((of_block > 0) * size).sum(axis=2), (of_block * size).sum(axis=2)
    rows = np.full(tokens.shape[:2], model.heads * model.attention.head_dim)
    yield PROJECTION, int(rows[0, 0]) if rows.size else 0, rows, rows * asked.batch


def _check_stage(plan: NeuronPlan, stage: int, width: int, needed: I64, pairs: I64, batch: int) -> None:
    name = STAGES[stage]
    gpu, near, products = (table[:, :, stage] for table in (plan.gpu_neurons, plan.near_neurons, plan.near_products))
    read = gpu + near.sum(axis=2)
    _want(bool((read >= needed).all()), f"{name}: a neuron that a token needs is computed nowhere")
    _want(bool((read <= width).all()), f"{name}: more neurons are read than there are, so one of them twice")
    _want(bool((products >= near).all()), f"{name}: a unit reads a neuron for no token")
    _want(bool((products <= near * batch).all()), f"{name}: a unit computes more tokens than the batch has")
    done = gpu * batch + products.sum(axis=2)
    _want(bool((done >= pairs).all()), f"{name}: a token that needs a neuron is left out")


def _check_room(plan: NeuronPlan, asked: PlanNeeds) -> None:
    """What is computed somewhere in a step lies there."""
    sizes = _neuron_bytes(asked.model)
    on_gpu = (plan.gpu_neurons * sizes).sum(axis=(1, 2))
    worst = int(on_gpu.max(initial=0))
    _want(worst <= asked.gpu_bytes, f"the GPU computes with {worst} bytes, there is room for {asked.gpu_bytes}")
    near = int((plan.near_neurons * sizes[:, None]).sum(axis=2).max(initial=0))
    room = asked.layout.weight_room
    _want(near <= room, f"a unit computes with {near} bytes of a layer, there is room for {room}")


def _check_moves(plan: NeuronPlan, asked: PlanNeeds) -> None:
    units, room = len(plan.near_units), asked.layout.weight_room
    _want(not plan.moved_bytes[:, :, np.arange(units), np.arange(units)].any(), "moved_bytes: from a unit to itself")
    for name, table in (("swapped_bytes", plan.swapped_bytes), ("moved_bytes", plan.moved_bytes.sum(axis=3))):
        most = int(table.max(initial=0))
        _want(most <= room, f"{name}: {most} bytes leave a unit that has room for {room} of a layer")


def _neuron_bytes(model: NeuronModel) -> I64:
    """[stages] of a neuron's weights."""
    qkv, mlp = (block.bytes_per_neuron for block in model.blocks)
    found = np.zeros(len(STAGES), np.int64)
    found[QKV], found[PROJECTION], found[MLP] = qkv, model.projection_bytes // model.hidden, mlp
    return found


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NeuronPlanError(otherwise)
