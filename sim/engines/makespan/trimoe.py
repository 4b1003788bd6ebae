"""TriMoE's cost model (arXiv 2603.01058)."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.engines.makespan.cost_model import CostModel, Loads
from moe_cosim.sim.engines.makespan.layers import LayerEvents


class TriMoeMakespan(CostModel):
    """T_gpu_hit = f_gpu; T_gpu_miss = max(f_gpu, W / PCIe, T_dram); T_cpu = max(f_cpu, T_dram); T_ndp = max(f_ndp,
    W / internal); T_dram = W / host bandwidth of a striped expert, W / one module's of a localized one.

    Contention of a module: the bytes of weights that the GPU and the CPU read from it, at the rate that its core
    reaches. Keys, values and activations count nowhere, as in the paper.
    """

    name = "trimoe"
    summary = "max(sum GPU, sum CPU, max over modules of sum NDP + weight reads served); a miss max(compute, fetch)"
    source = "TriMoE, arXiv 2603.01058, cost model"

    def loads(self, layers: LayerEvents) -> Loads:
        time_ps = layers.took_ps.copy()
        fetches = layers.fetches
        np.maximum.at(time_ps, layers.kernel[fetches], layers.took_ps[fetches])
        kernels = layers.kernels
        return Loads.joined((Loads(kernels, layers.unit[kernels], time_ps[kernels]), _contention(layers)))


def _contention(layers: LayerEvents) -> Loads:
    """What the modules with a core serve to others."""
    machine = layers.machine
    near = layers.in_role(Role.NEAR_DATA)
    memories = list(machine.memories)
    module = np.full(len(memories), -1, np.int64)
    rate = np.ones(len(memories))
    for index, unit in enumerate(machine.units.values()):
        if near[index]:
            place = memories.index(unit.local_memory)
            memory = machine.memory_list[place]
            module[place] = index
            rate[place] = memory.array_bytes_per_s * float(memory.efficiency.share(0, False)) / 1e12
    others = layers.kernels[~near[layers.unit[layers.kernels]]]
    event, memory_at, size = layers.weight_reads(np.concatenate([others, layers.fetches]))
    served = module[memory_at] >= 0
    event, memory_at, size = event[served], memory_at[served], size[served]
    return Loads(event, module[memory_at], np.rint(size / rate[memory_at]).astype(np.int64))
