"""What stages cost by the paper's equations 1 to 5: a time per neuron, on the GPU and beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.lowering.scene import model_of
from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.model import NeuronModel

_MANY = 1024
"""Neurons over which a time per neuron is taken: a kernel's start is not in it."""


@dataclass(frozen=True)
class MapProblem:
    """The mapping's inputs (table I of the paper). A *stage* is a block of a layer: the two run one after the other."""

    frequency: NDArray[np.float64]
    """[layers, clusters] how often a cluster is active."""
    clusters: Clusters
    gpu_ps: tuple[float, ...]
    """Of each block, per neuron."""
    near_ps: tuple[float, ...]
    """The same on one unit."""
    units: int
    sync_ps: int
    gpu_bytes: int
    """Room for neurons in the GPU's memory."""

    def stage_ps(self, hot: NDArray[np.bool_], block: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """[layers] expected time of the GPU's part (equations 3 and 4), and of the units' where they share evenly
        (equations 2 and 5)."""
        mine = self.clusters.slices[block]
        work = self.frequency[:, mine] * self.clusters.neurons[mine]
        on_gpu = (work * hot[:, mine]).sum(axis=1)
        gpu = self.gpu_ps[block] * on_gpu + 2 * self.sync_ps
        return gpu, self.near_ps[block] * (work.sum(axis=1) - on_gpu) / self.units

    def objective_ps(self, hot: NDArray[np.bool_]) -> float:
        """Equation 1: the sum over stages of the longer of the two. `hot` [layers, clusters]."""
        return float(sum(np.maximum(*self.stage_ps(hot, block)).sum() for block in range(len(self.clusters.slices))))


def neuron_ps(
    machine: Machine, model: NeuronModel, near: Unit, batch: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Time per neuron of each block, on the GPU and on a unit beside, of a kernel over many."""
    gpu = machine.main_unit
    found: list[tuple[float, ...]] = []
    for unit in (gpu, near):
        times = []
        for block in model.blocks:
            busy = int(model_of(unit).dense_ps(batch, _MANY, sum(block.products)))
            size = _MANY * block.bytes_per_neuron
            times.append(time_alone_ps(machine, unit.name, {unit.local_memory: size}, busy) / _MANY)
        found.append(tuple(times))
    return found[0], found[1]
