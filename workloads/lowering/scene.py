"""What all parts of the lowering look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from moe_cosim.experiment import Workload
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.software import Software
from moe_cosim.hw_models.units.base import UnitModel
from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.carried import Carried
from moe_cosim.workloads.lowering.sheet import EventSheet, Ints
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.quantization.precisions import PartFormats
from moe_cosim.workloads.verify.decode_steps import DecodeSteps
from moe_cosim.workloads.verify.draft import PlacedDraft


class Cells(NamedTuple):
    """[cells] Layers of steps."""

    step: Ints
    layer: Ints
    """Of the model."""


@dataclass(frozen=True)
class Scene:
    """One lowering: its inputs, the sheet it writes, and the lanes it writes to. Arrays are [n], a value for each row
    that is asked about; times are ps.
    """

    machine: Machine
    model: Model
    workload: Workload
    layout: ModelLayout
    decode: DecodeSteps
    draft: PlacedDraft | None
    formats: PartFormats
    software: Software
    plan: Plan
    steps: range
    """Those of the block."""
    sheet: EventSheet
    carried: Carried

    @cached_property
    def gpu(self) -> Unit:
        """What computes the dense part: the GPU, or the only CPU of a machine without one."""
        return self.machine.main_unit

    @cached_property
    def gpu_model(self) -> UnitModel:
        """What times its kernels."""
        return model_of(self.gpu)

    @cached_property
    def gpu_lane(self) -> int:
        """Lane id of its first lane, in which all its kernels run."""
        return self.machine.lane_id(self.gpu.name, self.gpu.lanes[0])

    @cached_property
    def gpu_index(self) -> int:
        """Index into `Plan.units`."""
        return self.plan.units.index(self.gpu.name)

    @cached_property
    def gpu_memory(self) -> int:
        """Index into the machine's `memory_list`."""
        return list(self.machine.memories).index(self.gpu.local_memory)

    @cached_property
    def dma(self) -> Unit:
        """The copy engine beside its memory."""
        return next(u for u in self.machine.copy_units if u.local_memory == self.gpu.local_memory)

    def dma_lane(self, lane: str) -> int:
        """``activations``, ``weights`` or ``prefetch``."""
        return self.machine.lane_id(self.dma.name, lane)

    def tokens(self, step: Ints, layer: Ints) -> Ints:
        """Tokens that pass through each model's `layer` in each of `step`: in step 0 the prompt, which with an encoder
        takes its layers alone."""
        sees_prompt = (step == 0) & (layer < (self.model.encoder_layers or self.model.layers))
        return np.where(sees_prompt, self.workload.batch * self.workload.prompt_tokens, self.workload.tokens_per_step)

    def context(self, step: Ints) -> Ints:
        """Tokens of one sequence that have keys and values in a decoder layer once the own ones of a decode `step` are
        there. A decoder behind an encoder begins with nothing, in step 0."""
        if self.model.encoder_layers:
            return np.where(step == 0, 1, self.workload.skipped_tokens + 1 + step)
        return self.decode.cached_tokens[step - 1] + self.workload.queries

    def grid(self, steps: range, layers: Ints) -> tuple[Ints, Ints]:
        """[steps * layers] step and layer of all `layers` of all `steps`."""
        of_step = np.empty((len(steps), len(layers)), dtype=np.int64)
        of_step[:] = layers
        return np.arange(steps.start, steps.stop).repeat(len(layers)), of_step.reshape(-1)

    @cached_property
    def moe_layers(self) -> Ints:
        """The model's layers that have experts."""
        return np.array(self.model.moe_layers, dtype=np.int64)

    @cached_property
    def expert_parts(self) -> int:
        """Micro-batches behind whose attention experts run; 1: experts run on the whole batch."""
        return self.layout.batching.expert_parts(self.workload.batch)

    @property
    def last_band(self) -> int:
        """What to add to the slots of a layer's last micro-batch."""
        return slots.BAND * (self.expert_parts - 1)

    @property
    def cell_count(self) -> int:
        """(step, MoE layer) cells of the block."""
        return len(self.steps) * len(self.model.moe_layers)

    def cells(self, step: Ints, moe_layer: Ints) -> Ints:
        """Number of a cell, counted from the block's first."""
        return (step.astype(np.int64) - self.steps.start) * len(self.model.moe_layers) + moe_layer

    @cached_property
    def run_cell(self) -> Ints:
        """[runs] the cell of each run of the block."""
        return self.cells(self.plan.runs["step"], self.plan.runs["layer"])

    def step_and_layer(self, cell: Ints) -> tuple[Ints, Ints]:
        """Step and the model's layer of cells."""
        step, moe_layer = np.divmod(cell, len(self.model.moe_layers))
        return step + self.steps.start, self.model_layer(moe_layer)

    def model_layer(self, moe_layer: Ints) -> Ints:
        """The model's layer of a MoE layer."""
        return self.moe_layers[moe_layer]


def model_of(unit: Unit) -> UnitModel:
    """The kernel-time model of a unit that computes."""
    if unit.model is None:
        raise ValueError(f"unit {unit.name} ({unit.kind}) computes nothing")
    return unit.model
