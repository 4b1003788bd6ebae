"""Hermes-base (HPCA 2025, arXiv 2502.16963, V-A2 and V-B1): NDP-DIMMs without activation sparsity.

Matrices that fit into the GPU's memory are computed there, all others in the DIMMs, and attention in the DIMMs.
*Inferred*: whole layers in their order are on the GPU, as many as fit; a matrix in the DIMMs is dealt over all of them.
"""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.neurons.plan import PROJECTION, NeuronPlan, Placement
from moe_cosim.workloads.neurons.policies.base import NeuronPolicy, neuron_policies


@neuron_policies.register("hermes-base")
class HermesBase(NeuronPolicy):
    """Every neuron is computed for every token, on one side or the other."""

    summary = "layers that fit on the GPU, all others near the data, no sparsity (Hermes-base, arXiv 2502.16963)"

    def prepare(self) -> None:
        model = self.scenario.neurons
        # the layout has room for all projections; layers that stay in the DIMMs leave theirs to others
        room = self.layout.hot_bytes + model.layers * model.projection_bytes
        self._on_gpu = np.arange(model.layers) < room // model.layer_bytes

    def placement(self) -> Placement:
        streamed = np.where(self._on_gpu, 0, self.scenario.neurons.layer_bytes)
        return Placement(streamed, np.zeros_like(streamed))

    def plan_steps(self, first: int, last: int) -> NeuronPlan:
        model, units, batch = self.scenario.neurons, len(self.near), self.scenario.workload.batch
        neurons = np.array([block.neurons for block in model.blocks])
        neurons = np.insert(neurons, PROJECTION, model.heads * model.attention.head_dim)
        steps, layers = last - first, model.layers
        each = neurons[:, None] // units + (np.arange(units) < neurons[:, None] % units)
        near = np.where(self._on_gpu[:, None, None], 0, each)
        on_gpu = np.where(self._on_gpu[:, None], neurons, 0)
        near = np.broadcast_to(near, (steps, *near.shape)).copy()
        return NeuronPlan(
            range(first, last),
            tuple(unit.name for unit in self.near),
            np.broadcast_to(on_gpu, (steps, *on_gpu.shape)).copy(),
            near,
            near * batch,
            np.zeros((steps, layers, units), np.int64),
            np.zeros((steps, layers, units, units), np.int64),
        )
