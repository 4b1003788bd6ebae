"""The way from a plan to a program."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from moe_cosim.experiment import Workload
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.software import Software
from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.carried import Carried
from moe_cosim.workloads.lowering.dense import lower_dense
from moe_cosim.workloads.lowering.draft import lower_draft
from moe_cosim.workloads.lowering.experts import lower_experts
from moe_cosim.workloads.lowering.hooks import lower_hooks
from moe_cosim.workloads.lowering.moves import Triggers, lower_moves
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import EventSheet, Ints, Place, Purpose
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.programs.program import PURPOSES, SIGNAL, Program
from moe_cosim.workloads.quantization.precisions import PartFormats
from moe_cosim.workloads.verify.decode_steps import DecodeSteps
from moe_cosim.workloads.verify.draft import PlacedDraft


class Lowering:
    """Makes the event streams of one run, block of steps by block of steps.

    `formats` are those of everything but the routed experts, `hooks` those that the policy asks for, beside those
    of the machine's kinds of unit.
    """

    def __init__(
        self,
        machine: Machine,
        model: Model,
        workload: Workload,
        layout: ModelLayout,
        decode: DecodeSteps,
        formats: PartFormats,
        software: Software,
        hooks: Collection[str] = (),
        draft: PlacedDraft | None = None,
    ) -> None:
        self._machine, self._model, self._workload, self._layout = machine, model, workload, layout
        self._decode, self._draft = decode, draft
        self._formats, self._software, self._hooks = formats, software, hooks
        self._carried = Carried(len(machine.units))

    def lower(self, plan: Plan, first_step: int, last_step: int) -> Program:
        """The events of the steps from `first_step` (0: the prefill) up to, but without, `last_step`, which `plan`
        decides; to be called for one block after the other."""
        machine, model = self._machine, self._model
        steps = range(first_step, last_step)
        sheet = EventSheet(model.layers, steps, self._carried.tokens)
        scene = Scene(
            machine,
            model,
            self._workload,
            self._layout,
            self._decode,
            self._draft,
            self._formats,
            self._software,
            plan,
            steps,
            sheet,
            self._carried,
        )
        lower_draft(scene)
        lower_dense(scene)
        triggers = _signals(scene)
        run_tokens = lower_moves(scene, triggers)
        lower_experts(scene, run_tokens, triggers.gate)
        lower_hooks(scene, self._hooks)
        self._carried.tokens = sheet.next_token
        meta: dict[str, object] = {
            "model": model.name,
            "batch": self._workload.batch,
            "steps": 1 + self._decode.count,
        }
        return sheet.program(machine.lanes, machine.name, meta)


def _signals(scene: Scene) -> Triggers:
    """The GPU says when a layer begins and when its gate is known, where another lane waits for it."""
    moves = scene.plan.moves
    remote = scene.run_cell[scene.plan.runs["unit"] != scene.gpu_index]
    cells, early = scene.cells(moves["step"], moves["layer"]), moves["early"]
    return Triggers(
        start=_signal(scene, [cells[early]], slots.START_SIGNAL),
        gate=_signal(scene, [remote, cells[~early]], slots.GATE_SIGNAL),
    )


def _signal(scene: Scene, wanted: list[Ints], slot: int) -> Ints:
    """Tokens [cells], -1 where not `wanted`, signalled by the GPU in that slot of the layer."""
    asked = np.zeros(scene.cell_count, dtype=np.bool_)
    for cells in wanted:
        asked[cells] = True
    which = np.flatnonzero(asked)
    tokens = np.full(scene.cell_count, -1, dtype=np.int64)
    tokens[which] = scene.sheet.new_tokens(len(which))
    place = Place(*scene.step_and_layer(which), slot)
    scene.sheet.add(SIGNAL, scene.gpu_lane, place, Purpose(PURPOSES.index("synchronise")), token=tokens[which])
    return tokens
