"""The hierarchical roofline model of MoE-Lightning (arXiv 2411.11217, 4.2): what a layer takes in decode.

T = max(link, CPU, GPU), eq. 12; of each part the longer of bytes and operations, eq. 14. Only attention and the experts
count (eq. 13). A micro-batch's experts read all weights of the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.precisions import Quantization

_LARGE_BYTES = 1 << 30
_LARGE_ROWS = 8192


@dataclass(frozen=True)
class RooflineRates:
    """b_g, b_c, b_cg and p_g, p_c of table 1: what each reaches alone on large pieces ("profiled peak performance")."""

    gpu_bytes_per_s: float
    cpu_bytes_per_s: float
    link_bytes_per_s: float
    gpu_operations_per_s: float
    cpu_operations_per_s: float

    @classmethod
    def of(cls, machine: Machine, host: str) -> Self:
        """`host` is the memory from which the link is fed; a machine without a CPU has one of no rate."""
        gpu, cpus = machine.main_unit, machine.host_units
        link = move_alone_ps(machine, host, gpu.local_memory, _LARGE_BYTES)
        return cls(
            _bytes_per_s(time_alone_ps(machine, gpu.name, {gpu.local_memory: _LARGE_BYTES})),
            _bytes_per_s(time_alone_ps(machine, cpus[0].name, {host: _LARGE_BYTES})) if cpus else 0.0,
            _bytes_per_s(link),
            _operations_per_s(gpu),
            _operations_per_s(cpus[0]) if cpus else 0.0,
        )


class LayerTime(NamedTuple):
    """Seconds of a layer in a decode step."""

    link: float
    cpu: float
    attention: float
    """Of the GPU..."""
    experts: float
    """...as this."""

    @property
    def gpu(self) -> float:
        return self.attention + self.experts

    @property
    def whole(self) -> float:
        """Where everything overlaps (eq. 12)."""
        return max(self.link, self.cpu, self.gpu)

    @property
    def in_turn(self) -> float:
        """Where experts begin when both have attended."""
        return max(self.link, max(self.cpu, self.attention) + self.experts)


@dataclass(frozen=True)
class LayerCosts:
    """Bytes and operations of one layer."""

    expert_bytes: float
    """Of all its experts."""
    ffn_operations: float
    """Of one token."""
    kv_bytes: float
    """Of one token's keys and values."""
    attention_operations: float
    """Of one token with one key."""

    @classmethod
    def of(cls, model: Model, quantization: Quantization) -> Self:
        experts = model.routed_experts * quantization.expert_format.expert_bytes(model.expert)
        kv = quantization.parts.kv.bytes_of(model.attention.kv_values_per_token)
        pair = 2 * model.attention.core.products_per_pair
        return cls(experts, 2 * model.top_k * model.expert.weights, kv, pair)

    def layer_s(
        self,
        rates: RooflineRates,
        batch: int,
        expert_batches: float,
        context: float,
        loaded: float,
        cpu_attention: float,
    ) -> LayerTime:
        """Of `batch` sequences of `context` tokens whose experts run `expert_batches` times, of which the share
        `loaded` comes over the link; the CPU attends to its share of the sequences, and what the GPU attends to comes
        over the link, too."""
        kv, attending = self.kv_bytes * context * batch, self.attention_operations * context * batch
        experts = max(
            self.expert_bytes / rates.gpu_bytes_per_s * expert_batches,
            self.ffn_operations * batch / rates.gpu_operations_per_s,
        )
        cpu = 0.0
        if cpu_attention:
            cpu = cpu_attention * max(kv / rates.cpu_bytes_per_s, attending / rates.cpu_operations_per_s)
        on_gpu = 1 - cpu_attention
        link = (loaded * self.expert_bytes + on_gpu * kv) / rates.link_bytes_per_s
        attention = on_gpu * max(kv / rates.gpu_bytes_per_s, attending / rates.gpu_operations_per_s)
        return LayerTime(link, cpu, attention, experts)


def _bytes_per_s(ps: int) -> float:
    return _LARGE_BYTES / ps * 1e12


def _operations_per_s(unit: Unit) -> float:
    assert unit.model is not None  # it computes
    n = _LARGE_ROWS
    return 2.0 * n**3 / int(unit.model.dense_ps(n, n, n)) * 1e12
