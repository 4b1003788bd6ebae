"""TriMoE's cost model (arXiv 2603.01058), as tables over the number of tokens. All times in ps.

T_gpu_hit = f_gpu(L); T_gpu_miss = max(f_gpu(L), W / PCIe, T_dram); T_cpu = max(f_cpu(L), T_dram);
T_ndp = max(f_ndp(L), W / internal); T_dram = W / host bandwidth when striped, W / one module's when
localized. The rates are what the machine's parts reach alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.policies.context import Context

F64 = NDArray[np.float64]

GPU: Final = 0
CPU: Final = 1
NDP: Final = 2
"""The three paths of an expert: columns of the scheduler's tables."""

CHANNELS = Assumption(
    "trimoe-channel-contention",
    "counted",
    ("counted", "ignored"),
    "whether the scheduler knows that a fetch to the GPU takes the channels that the CPU reads over. The paper's "
    "makespan counts contention in the modules only; on this machine that lets fetches of localized experts slow the "
    "CPU's striped reads by the channel they take, so a scheduler tuned to it would count them",
    "choice",
)


@dataclass(frozen=True)
class TriMoeCosts:
    """Arrays [tokens + 1]; the CPU's and the missing expert's twice, [striped, localized]."""

    gpu_hit: F64
    gpu_miss: tuple[F64, F64]
    cpu: tuple[F64, F64]
    ndp: F64
    drain: tuple[float, float]
    """How long a read of one expert from outside keeps each module busy that it touches."""
    delay: tuple[float, float]
    """By how much a fetch to the GPU delays the CPU, which reads over the same channels."""
    fetch_ps: tuple[float, float]
    """Moving one expert to the GPU."""
    relayout_ps: float
    """Moving one expert between two modules, or from one into stripes, or back."""

    def of(
        self, tokens: NDArray[np.int64], hit: NDArray[np.bool_], place: NDArray[np.int64], cpu: bool
    ) -> tuple[F64, F64, F64]:
        """`costs`, `drain` and `delay` as `schedule.schedule` takes them."""
        local = place >= 0
        costs = np.empty((len(tokens), 3))
        miss = np.where(local, self.gpu_miss[1][tokens], self.gpu_miss[0][tokens])
        costs[:, 0] = np.where(hit, self.gpu_hit[tokens], miss)
        costs[:, 1] = np.where(local, self.cpu[1][tokens], self.cpu[0][tokens]) if cpu else np.inf
        costs[:, 2] = np.where(local, self.ndp[tokens], np.inf)
        drain = np.zeros((len(tokens), 3))
        reading = np.where(local, self.drain[1], self.drain[0])
        drain[:, 0] = np.where(hit, 0.0, reading)
        drain[:, 1] = reading
        delay = np.where(hit, 0.0, np.where(local, self.delay[1], self.delay[0]))
        return costs, drain, delay


def trimoe_costs(context: Context, weight_format: WeightFormat) -> TriMoeCosts:
    """For up to as many tokens as a decode step has."""
    machine, shape = context.machine, context.model.expert
    homes = [unit.local_memory for unit in context.ndps]
    size = context.expert_bytes(weight_format)
    part = -(-size // len(homes))
    tokens = np.arange(context.workload.tokens_per_step + 1)
    gpu, core = machine.main_unit, machine.near_data_units[0]
    assert gpu.model is not None
    assert core.model is not None
    f_gpu = gpu.model.expert_ps(tokens, shape, weight_format).astype(np.float64)
    f_ndp = core.model.expert_ps(tokens, shape, weight_format).astype(np.float64)
    internal = float(time_alone_ps(machine, core.name, {homes[0]: size}))
    striped, local = dict.fromkeys(homes, part), {homes[0]: size}
    fetch = tuple(float(time_alone_ps(machine, gpu.name, reads)) for reads in (striped, local))
    cpus = machine.host_units
    cpu = (np.full(len(tokens), np.inf),) * 2
    delay = (0.0, 0.0)
    if cpus:
        assert cpus[0].model is not None
        f_cpu = cpus[0].model.expert_ps(tokens, shape, weight_format).astype(np.float64)
        striped_ps, local_ps = (float(time_alone_ps(machine, cpus[0].name, reads)) for reads in (striped, local))
        cpu = (np.maximum(f_cpu, striped_ps), np.maximum(f_cpu, local_ps))
        if context.choice(CHANNELS) == "counted":
            delay = (striped_ps, local_ps)
    hbm = float(time_alone_ps(machine, gpu.name, {gpu.local_memory: size}))
    return TriMoeCosts(
        gpu_hit=np.maximum(f_gpu, hbm),
        gpu_miss=(np.maximum(f_gpu, fetch[0]), np.maximum(f_gpu, fetch[1])),
        cpu=cpu,
        ndp=np.maximum(f_ndp, internal),
        drain=(internal / len(homes), internal),
        delay=delay,
        fetch_ps=(fetch[0], fetch[1]),
        relayout_ps=float(move_alone_ps(machine, homes[0], homes[1], size)) if len(homes) > 1 else 0.0,
    )
