"""Sieve: experts with few tokens beside the banks of the GPU's own memory, those with many on the GPU.

Source: Kim et al., "Sieve: Dynamic Expert-Aware PIM Acceleration for Evolving Mixture-of-Experts Models" (arXiv
2605.11277), sections 5.1 (equation 1 and the cost table) and 5.2 (the greedy search), 6.2 (experts are sliced over all
channels; several tokens are one vector after the other), 7.1 (what it is compared with).

Inferred: T_GPU counts the layer's experts alone, as all else of it
has run when the gate is known; a prompt is planned as decode steps are. What the memory takes for so many tokens is the
same whenever it is observed, so the table's exponential average is that time. Not modelled: several GPUs,
so nothing is sent between them (T_Comm is 0), and mini-batches that attend in the memory while others' experts run.
Attention in the memory (`kv_cache: near-data`) has therefore ended when a layer's experts begin; ``attention`` counts
it all the same, as the paper's T_PIM does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from moe_cosim.errors import InputError
from moe_cosim.hw_models.units.bank_gemv import PS_PER_S, BankGemv
from moe_cosim.hw_models.units.gpu.tile import TileGpu
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import Policy, policies


class SieveOptions(Options):
    experts: Literal["sieve", "gpu", "memory"] = option(
        "sieve", "who runs them: as the search says, all the GPU (the paper's NoExp), all the memory (AllExp)"
    )
    table: bool = option(True, "times of the memory are those observed; else a roofline's")
    attention: bool = option(True, "attention in the memory counts as its work beside a layer's experts")


@policies.register("sieve")
class Sieve(Policy):
    """All experts lie in the GPU's memory: nothing moves, and who runs an expert is decided layer by layer."""

    summary = "experts of few tokens computed inside the GPU's HBM, by a search over observed costs (arXiv 2605.11277)"
    homes = ("near-data",)
    options_class = SieveOptions
    options: SieveOptions

    def prepare(self) -> None:
        context = self.context
        machine, weight_format = context.machine, context.quantization.expert_format
        gpu, beside = machine.main_unit, machine.near_data_units
        memory = beside[0].model if len(beside) == 1 and beside[0].local_memory == gpu.local_memory else None
        if not isinstance(memory, BankGemv) or not isinstance(gpu.model, TileGpu):
            allowed = "one whose GPU's memory has a unit of model bank-gemv inside, and a GPU of model tile-gpu"
            raise InputError(context.where, "machine", machine.name, f"{allowed} (policy sieve)")
        context.keep_all(weight_format)
        self._memory, self._format, shape = memory, weight_format, context.model.expert
        self._near = beside[0].name
        self._expert_s = context.expert_bytes(weight_format) / machine.memories[gpu.local_memory].peak_bytes_per_s
        peak = gpu.model.figures.op_per_s[gpu.model.computes_as(weight_format)]
        self._token_s = 2 * shape.weights / peak
        self._table: dict[int, float] = {}
        """Seconds of the memory for an expert of so many tokens."""

    def plan_layer(self, demand: LayerDemand) -> None:
        ranked = demand.busiest_first()
        on_gpu = self.on_gpu(demand.step, [tokens for _, tokens in ranked])
        for place, (expert, tokens) in enumerate(ranked):
            unit = self.context.gpu.name if place < on_gpu else self._near
            self.plan.run(expert, tokens, unit, self.context.home(demand.layer, expert, self._format))
        if self.options.table:
            self._observe({tokens for _, tokens in ranked[on_gpu:]})

    def on_gpu(self, step: int, tokens: Sequence[int]) -> int:
        """How many of a layer's experts, those with the most tokens, the GPU runs: `tokens` fall. From none on, one
        more as long as max(T_GPU, T_PIM) falls."""
        if self.options.experts != "sieve":
            return len(tokens) if self.options.experts == "gpu" else 0
        beside = sum(map(self._memory_s, tokens)) + self._attention_s(step)
        loads, computes, total = 0.0, 0.0, beside
        for count, each in enumerate(tokens):
            beside -= self._memory_s(each)
            loads, computes = loads + self._expert_s, computes + each * self._token_s
            after = max(loads, computes, beside)
            if after >= total:
                return count
            total = after
        return len(tokens)

    def _memory_s(self, tokens: int) -> float:
        """Observed, or a roofline's."""
        if tokens in self._table:
            return self._table[tokens]
        return float(self._memory.peak_s(tokens, self.context.model.expert, self._format))

    def _observe(self, tokens: set[int]) -> None:
        """What the memory took for experts of so many tokens joins the table."""
        for count in sorted(tokens - self._table.keys()):
            found = int(self._memory.expert_ps(count, self.context.model.expert, self._format))
            self._table[count] = found / PS_PER_S

    def _attention_s(self, step: int) -> float:
        """Of a decode step's layer, where the memory attends."""
        context = self.context
        if not (self.options.attention and step and context.layout.attention_units):
            return 0.0
        work = context.workload
        core = context.model.attention.core.of_queries(work.queries)
        seen = work.decode_context + step
        found = self._memory.attention_ps(work.batch, 1, np.int64(seen), core)
        return int(found) / PS_PER_S
