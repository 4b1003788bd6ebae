"""The way from a plan to a program."""

from __future__ import annotations

import numpy as np

from hw_models.machine import Machine
from workloads.layout import ModelLayout
from workloads.lowering import slots
from workloads.lowering.dense import lower_dense
from workloads.lowering.experts import lower_experts
from workloads.lowering.moves import cells, lower_moves
from workloads.lowering.scene import Scene
from workloads.lowering.sheet import EventSheet, Ints, Place, Purpose
from workloads.models.model import Model
from workloads.plan import Plan
from workloads.program import PURPOSES, SIGNAL, Program
from workloads.workload import Workload


def lower(
    machine: Machine,
    model: Model,
    workload: Workload,
    layout: ModelLayout,
    plan: Plan,
    host_ps_per_layer: int = 0,
) -> Program:
    """Event streams of one run: the prefill (step 0) and every decode step.

    `host_ps_per_layer` is GPU time lost per layer to the host that launches its kernels.
    """
    scene = Scene(machine, model, workload, layout, plan, EventSheet(model.layers), host_ps_per_layer)
    lower_dense(scene)
    gate_tokens = _signal_gates(scene)
    arrival, run_tokens = lower_moves(scene, gate_tokens)
    lower_experts(scene, arrival, run_tokens, gate_tokens)
    meta: dict[str, object] = {"model": model.name, "batch": workload.batch, "steps": scene.steps}
    return scene.sheet.program(machine.lanes, machine.name, meta)


def _signal_gates(scene: Scene) -> Ints:
    """Tokens [cells] of the gates that another lane waits for; -1 elsewhere."""
    plan = scene.plan
    moe_layers = len(scene.model.moe_layers)
    gpu_index = plan.units.index(scene.gpu.name)
    remote = plan.runs[plan.runs["unit"] != gpu_index]
    wanted = np.unique(
        np.concatenate(
            [
                cells(remote["step"], remote["layer"], moe_layers),
                cells(plan.moves["step"], plan.moves["layer"], moe_layers),
            ]
        )
    )
    tokens = np.full(scene.steps * moe_layers, -1, dtype=np.int64)
    tokens[wanted] = scene.sheet.new_tokens(len(wanted))
    step, moe_layer = np.divmod(wanted, moe_layers)
    place = Place(step, scene.model_layer(moe_layer), slots.GATE_SIGNAL)
    purpose = Purpose(PURPOSES.index("synchronise"))
    scene.sheet.add(SIGNAL, scene.gpu_lane, place, purpose, token=tokens[wanted])
    return tokens
