"""Plug-ins that each break one rule of their contract."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from one_of_each import OutsideAllocator, OutsidePolicy, OutsideRouter, OutsideUnit

from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.quantization.allocation import allocators
from moe_cosim.workloads.routing.routing import routers


@policies.register("forgets")
class Forgets(OutsidePolicy):
    """The last expert of each layer."""

    def plan_layer(self, demand):
        super().plan_layer(replace(demand, experts=demand.experts[:-1], tokens=demand.tokens[:-1]))


@policies.register("by-hash")
class ByHash(OutsidePolicy):
    """In the order of a set of texts, which another process has otherwise."""

    def plan_layer(self, demand):
        order = [int(text) for text in {str(rank) for rank in range(len(demand.experts))}]
        experts, tokens = (tuple(np.asarray(of)[order].tolist()) for of in (demand.experts, demand.tokens))
        super().plan_layer(replace(demand, experts=experts, tokens=tokens))


@engines.register("too-fast")
class TooFast(EmbeddedEngine):
    summary = "half the time that everything takes"

    def run(self, machine, program, progress=None):
        found = super().run(machine, program, progress)
        return replace(found, start_ps=found.start_ps // 2, end_ps=found.end_ps // 2)


@engines.register("unsteady")
class Unsteady(EmbeddedEngine):
    summary = "a picosecond more each time"
    runs = 0

    def run(self, machine, program, progress=None):
        Unsteady.runs += 1
        found = super().run(machine, program, progress)
        return replace(found, end_ps=found.end_ps + Unsteady.runs)


@routers.register("unseeded")
class Unseeded(OutsideRouter):
    def draw(self, shape, seed, assumptions):
        return super().draw(shape, None, assumptions)


@routers.register("twice")
class Twice(OutsideRouter):
    """The same expert for every choice of a token."""

    def draw(self, shape, seed, assumptions):
        found = super().draw(shape, seed, assumptions)
        return replace(found, prefill_experts=np.zeros_like(found.prefill_experts))


@allocators.register("spendthrift")
class Spendthrift(OutsideAllocator):
    def extra_bits(self, losses, extra):
        return np.full(len(losses), 3, dtype=np.int64)


@unit_models.register("wraps")
@dataclass(frozen=True)
class Wraps(OutsideUnit):
    def _ps(self, products, bits):
        products, _ = np.broadcast_arrays(products, bits)
        return (np.ceil(2e12 * products / self.op_per_s) % 2**40).astype(np.int64)
