"""What a layer takes by CoX-MoE's cost model (arXiv 2605.17889): of four operations the sum of load, compute and store.

Compute is the longer of bytes and operations. Projections run on the GPU, attention on the CPU or the GPU, and of the
experts the GPU runs those that stay and those that are loaded while the CPU runs the others: the longer of both counts.
Tokens fall evenly on the experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.policies.batched.hrm import RooflineRates
from moe_cosim.workloads.quantization.precisions import Quantization

F64 = NDArray[np.float64]


class Phase(NamedTuple):
    """A step of a batch: its prefill, or one of decode."""

    tokens: int
    """Of all sequences together."""
    keys: float
    """That each of them attends to, on average."""
    cached_tokens: float
    """Of all sequences, that attention reads."""
    micro_batches: int
    is_prompt: bool


@dataclass(frozen=True)
class CoxCosts:
    """Bytes and operations of one layer, and what carries them out."""

    rates: RooflineRates
    experts: int
    top_k: int
    expert_bytes: float
    expert_operations: float
    """Of one token and one expert."""
    row_bytes: float
    """Of one token's hidden state."""
    projection_bytes: float
    projection_operations: float
    """Of one token."""
    kv_bytes: float
    """Of one token's keys and values."""
    pair_operations: tuple[float, float]
    """Of one token with one key, of a prompt and in decode."""
    score_bytes: float
    """That attention on the GPU keeps of one token of a prompt and one key, all heads."""
    query_bytes: tuple[tuple[float, float], tuple[float, float]]
    """Of one token to the CPU and back, of a prompt and in decode."""

    @classmethod
    def of(cls, rates: RooflineRates, model: Model, quantization: Quantization, score_bytes: float) -> Self:
        """`score_bytes` are of one head."""
        attention, parts = model.attention, quantization.parts
        weights = attention.projection_weights(model.hidden)
        return cls(
            rates,
            model.routed_experts,
            model.top_k,
            quantization.expert_format.expert_bytes(model.expert),
            2.0 * model.expert.weights,
            ACTIVATION_BYTES * model.hidden,
            parts.attention.bytes_of(weights),
            2.0 * weights,
            parts.kv.bytes_of(attention.kv_values_per_token),
            (2.0 * attention.prompt_core.products_per_pair, 2.0 * attention.core.products_per_pair),
            score_bytes * attention.heads,
            (attention.prompt_query_bytes(ACTIVATION_BYTES), attention.query_bytes(ACTIVATION_BYTES)),
        )

    def attention_s(self, phase: Phase, on_cpu: bool) -> float:
        """Projections, what goes home of keys and values, and attention."""
        rates, decodes = self.rates, int(not phase.is_prompt)
        projections = max(
            phase.micro_batches * self.projection_bytes / rates.gpu_bytes_per_s,
            phase.tokens * self.projection_operations / rates.gpu_operations_per_s,
        )
        stored = phase.tokens * self.kv_bytes / rates.link_bytes_per_s
        read, operations = (
            phase.cached_tokens * self.kv_bytes,
            phase.tokens * phase.keys * self.pair_operations[decodes],
        )
        if on_cpu:
            moved = phase.tokens * sum(self.query_bytes[decodes]) / rates.link_bytes_per_s
            attends = max(read / rates.cpu_bytes_per_s, operations / rates.cpu_operations_per_s)
        else:
            moved = 0.0 if phase.is_prompt else read / rates.link_bytes_per_s
            if phase.is_prompt:  # of all pairs, those that are masked among them: written and read twice
                read += 4 * 2 * phase.tokens * phase.keys * self.score_bytes
            attends = max(read / rates.gpu_bytes_per_s, operations / rates.gpu_operations_per_s)
        return projections + stored + moved + attends

    def experts_s(self, phase: Phase, resident: float, loaded: F64, runs: int = 1) -> F64:
        """[choices] of a layer with `resident` experts in the GPU's memory, `loaded` [choices] beside them, and all
        others on the CPU: theirs are rows that go there and back. The GPU's run once, or in so many `runs`."""
        rates = self.rates
        each = phase.tokens * self.top_k / self.experts
        on_gpu, on_cpu = resident + loaded, np.maximum(self.experts - resident - loaded, 0.0)
        gpu = loaded * self.expert_bytes / rates.link_bytes_per_s + on_gpu * max(
            runs * self.expert_bytes / rates.gpu_bytes_per_s,
            each * self.expert_operations / rates.gpu_operations_per_s,
        )
        if not rates.cpu_operations_per_s:
            return np.where(on_cpu > 0, np.inf, gpu)
        cpu = on_cpu * (
            2 * each * self.row_bytes / rates.link_bytes_per_s
            + max(self.expert_bytes / rates.cpu_bytes_per_s, each * self.expert_operations / rates.cpu_operations_per_s)
        )
        return np.maximum(gpu, cpu)
