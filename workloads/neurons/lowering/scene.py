"""What all parts of the lowering look at, and what events they write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.experiment import Workload
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.base import UnitModel
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.scene import model_of
from moe_cosim.workloads.lowering.sheet import EventSheet, Ints, Place, Purpose, Range
from moe_cosim.workloads.neurons.layout import NeuronLayout
from moe_cosim.workloads.neurons.model import NeuronModel
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE

WEIGHTS, ACTIVATIONS, KV = (CONTENTS.index(name) for name in ("weights", "activations", "kv"))
_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))


@dataclass
class Lane:
    """One lane's place in a layer: what is added later comes later."""

    index: int
    order: int = 0


@dataclass(frozen=True)
class NeuronScene:
    """One block's lowering. Arrays are [cells]."""

    machine: Machine
    model: NeuronModel
    workload: Workload
    layout: NeuronLayout
    near: tuple[Unit, ...]
    sync_ps: int
    """Of a copy of activations between the GPU and the other side (T_sync of the paper's equation 3)."""
    sheet: EventSheet

    @cached_property
    def gpu_model(self) -> UnitModel:
        """What times the GPU's kernels."""
        return model_of(self.machine.main_unit)

    @cached_property
    def near_models(self) -> tuple[UnitModel, ...]:
        """What times the kernels of each unit of `near`."""
        return tuple(model_of(unit) for unit in self.near)

    @cached_property
    def gpu(self) -> Lane:
        """Of the GPU's kernels."""
        unit = self.machine.main_unit
        return Lane(self.machine.lane_id(unit.name, unit.lanes[0]))

    def _engine(self, memory: str) -> Unit | None:
        return next((unit for unit in self.machine.copy_units if unit.local_memory == memory), None)

    @cached_property
    def activations(self) -> Lane:
        """Of the GPU's copy engine, for activations."""
        return self._copies("activations")

    @cached_property
    def weights(self) -> Lane:
        """Of the GPU's copy engine, for weights of neurons that became hot."""
        return self._copies("weights")

    @cached_property
    def prefetch(self) -> Lane:
        """Of the GPU's copy engine, for the layers of the prefill."""
        return self._copies("prefetch")

    def _copies(self, lane: str) -> Lane:
        engine = self._engine(self.machine.main_unit.local_memory)
        assert engine is not None  # every GPU has one
        return Lane(self.machine.lane_id(engine.name, lane))

    @cached_property
    def cores(self) -> tuple[Lane, ...]:
        """Of each unit of `near`, for its kernels."""
        return tuple(Lane(self.machine.lane_id(unit.name, unit.lanes[0])) for unit in self.near)

    @cached_property
    def links(self) -> tuple[Lane, ...] | None:
        """The engines that copy between the units' memories; None where one unit is alone, or they have none."""
        engines = [self._engine(unit.local_memory) for unit in self.near]
        if len(self.near) == 1 or any(engine is None for engine in engines):
            return None
        return tuple(Lane(self.machine.lane_id(each.name, each.lanes[0])) for each in engines if each is not None)

    @property
    def row_bytes(self) -> int:
        """Activations of all sequences of a step, one value each."""
        return ACTIVATION_BYTES * self.workload.batch

    # -- events --------------------------------------------------------------------------------

    def _place(self, lane: Lane, cells: LayerCells) -> Place:
        lane.order += 1
        return Place(cells.step, cells.layer, 0, lane.order)

    def wait(self, lane: Lane, cells: LayerCells, token: Ints, count: ArrayLike) -> None:
        """Hold the lane until `count` signals of each token have arrived."""
        self.sheet.add(WAIT, lane.index, self._place(lane, cells), _SYNCHRONISE, token=token, count=count)

    def signal(self, lane: Lane, cells: LayerCells, token: Ints) -> None:
        """Give the tokens."""
        self.sheet.add(SIGNAL, lane.index, self._place(lane, cells), _SYNCHRONISE, token=token)

    def copy(
        self, lane: Lane, cells: LayerCells, purpose: str, ranges: tuple[Range, ...], setup_ps: ArrayLike = 0
    ) -> None:
        """`ranges`: pairs of source and target."""
        place = self._place(lane, cells)
        self.sheet.add(COPY, lane.index, place, self._purpose(purpose), setup_ps=setup_ps, ranges=ranges)

    def stream(
        self,
        lane: Lane,
        cells: LayerCells,
        purpose: str,
        setup_ps: ArrayLike,
        busy_ps: ArrayLike,
        ranges: tuple[Range, ...],
    ) -> None:
        """A kernel with its traffic."""
        place, what = self._place(lane, cells), self._purpose(purpose)
        self.sheet.add(STREAM, lane.index, place, what, setup_ps=setup_ps, busy_ps=busy_ps, ranges=ranges)

    def _purpose(self, name: str) -> Purpose:
        return Purpose(PURPOSES.index(name), tokens=self.workload.batch)


@dataclass(frozen=True)
class LayerCells:
    """Layers of steps [cells], in any number."""

    step: Ints
    layer: Ints
    index: Ints
    """Of each among all of the block."""

    @classmethod
    def all_of(cls, steps: range, layers: int) -> LayerCells:
        """Every layer of these steps, step after step."""
        step = np.repeat(np.arange(steps.start, steps.stop), layers)
        return cls(step, np.tile(np.arange(layers), len(steps)), np.arange(len(step)))

    def where(self, chosen: NDArray[np.bool_]) -> LayerCells:
        """Those that are `chosen` [cells of the block]."""
        kept = chosen[self.index]
        return LayerCells(self.step[kept], self.layer[kept], self.index[kept])

    def __len__(self) -> int:
        return len(self.step)


def at(step: Ints, layer: int) -> LayerCells:
    """What belongs to no layer: before them (-1) or behind them (their number). `step` [cells]."""
    return LayerCells(step, np.full(len(step), layer), np.arange(len(step)))


def pairs(scene: NeuronScene, each_bytes: ArrayLike, what: int, to_gpu: bool) -> tuple[Range, ...]:
    """Pairs of source and target: so many bytes of activations between beside each unit and the GPU."""
    ranges: list[Range] = []
    for scratch in scene.layout.scratch.tolist():
        ends = (scratch, scene.layout.gpu_scratch) if to_gpu else (scene.layout.gpu_scratch, scratch)
        ranges += [Range(ends[0], each_bytes, READ, what), Range(ends[1], each_bytes, WRITE, what)]
    return tuple(ranges)
