"""The way from a plan to a program."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from moe_cosim.experiment import Workload
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.dense import lower_dense
from moe_cosim.workloads.lowering.experts import lower_experts
from moe_cosim.workloads.lowering.hooks import lower_hooks
from moe_cosim.workloads.lowering.moves import Triggers, cells, lower_moves
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import EventSheet, Ints, Place, Purpose
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.program import PURPOSES, SIGNAL, Program


def lower(
    machine: Machine,
    model: Model,
    workload: Workload,
    layout: ModelLayout,
    plan: Plan,
    host_ps_per_layer: int = 0,
    hooks: Collection[str] = (),
) -> Program:
    """Event streams of one run: the prefill (step 0) and every decode step.

    `host_ps_per_layer` is GPU time lost per layer to the host that launches its kernels. `hooks` are
    those that the policy asks for, beside those of the machine's kinds of unit.
    """
    scene = Scene(machine, model, workload, layout, plan, EventSheet(model.layers), host_ps_per_layer)
    lower_dense(scene)
    triggers = _signals(scene)
    arrival, run_tokens = lower_moves(scene, triggers)
    lower_experts(scene, arrival, run_tokens, triggers.gate)
    lower_hooks(scene, hooks)
    meta: dict[str, object] = {"model": model.name, "batch": workload.batch, "steps": scene.steps}
    return scene.sheet.program(machine.lanes, machine.name, meta)


def _signals(scene: Scene) -> Triggers:
    """The GPU says when a layer begins and when its gate is known, where another lane waits for it."""
    plan = scene.plan
    moves, moe_layers = plan.moves, len(scene.model.moe_layers)
    remote = plan.runs[plan.runs["unit"] != plan.units.index(scene.gpu.name)]
    asked = moves[~moves["early"]]
    gates = [cells(rows["step"], rows["layer"], moe_layers) for rows in (remote, asked)]
    early = moves[moves["early"]]
    starts = cells(early["step"], early["layer"], moe_layers)
    return Triggers(
        start=_signal(scene, np.unique(starts), slots.START_SIGNAL),
        gate=_signal(scene, np.unique(np.concatenate(gates)), slots.GATE_SIGNAL),
    )


def _signal(scene: Scene, wanted: Ints, slot: int) -> Ints:
    """Tokens [cells], -1 where not `wanted`, signalled by the GPU in that slot of the layer."""
    moe_layers = len(scene.model.moe_layers)
    tokens = np.full(scene.steps * moe_layers, -1, dtype=np.int64)
    tokens[wanted] = scene.sheet.new_tokens(len(wanted))
    step, moe_layer = np.divmod(wanted, moe_layers)
    place = Place(step, scene.model_layer(moe_layer), slot)
    scene.sheet.add(SIGNAL, scene.gpu_lane, place, Purpose(PURPOSES.index("synchronise")), token=tokens[wanted])
    return tokens
