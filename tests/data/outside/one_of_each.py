"""A package of somebody else with a plug-in of every kind that has a contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moe_cosim.hw_models.formats import WeightFormat, register_format
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models
from moe_cosim.options import Options, option
from moe_cosim.sim.batch.base import schedulers
from moe_cosim.sim.batch.schedulers.pbs import Pbs
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.workloads.models.families.mixtral import Mixtral
from moe_cosim.workloads.models.family import families
from moe_cosim.workloads.policies.base import Policy, policies
from moe_cosim.workloads.quantization.allocation import Allocator, allocators
from moe_cosim.workloads.routing.routing import Routing, RoutingSource, normalised, routers


@policies.register("outside")
class OutsidePolicy(Policy):
    summary = "every expert computed near the data"
    homes = ("near-data",)

    def prepare(self):
        self.context.keep_all(self.context.quantization.expert_format)

    def plan_layer(self, demand):
        for expert, tokens in zip(demand.experts, demand.tokens, strict=True):
            home = self.context.home(demand.layer, expert, self.context.quantization.expert_format)
            self.plan.run(expert, tokens, self.context.ndp_of(expert).name, home)


@engines.register("outside")
class OutsideEngine(EmbeddedEngine):
    summary = "the embedded engine under another name"


class OutsideOptions(Options):
    skew: float = option(0.5, "spread of the experts' popularity", ge=0)


@routers.register("outside")
class OutsideRouter(RoutingSource):
    summary = "every token by itself, experts by popularity"
    options_class = OutsideOptions

    def draw(self, shape, seed, assumptions):
        random = np.random.default_rng(seed)
        size = (shape.sequences, shape.tokens_per_sequence, shape.layers, shape.experts)
        scores = random.normal(size=size) + self.options.skew * random.normal(size=(shape.layers, shape.experts))
        chosen = np.argsort(-scores, axis=-1)[..., : shape.top_k]
        weights = normalised(np.exp(np.take_along_axis(scores, chosen, axis=-1)))
        experts, prompt = chosen.astype(np.uint16), shape.prompt_tokens
        return Routing(
            prefill_experts=experts[:, :prompt],
            prefill_weights=weights[:, :prompt],
            decode_experts=experts[:, prompt:].swapaxes(0, 1),
            decode_weights=weights[:, prompt:].swapaxes(0, 1),
            num_experts=shape.experts,
            source=f"outside, seed {seed}",
        )


@allocators.register("outside")
class OutsideAllocator(Allocator):
    summary = "as many bits as there are to the most important"

    def extra_bits(self, losses, extra):
        ranks = np.arange(len(losses))
        return np.clip(extra - 3 * ranks, 0, 3).astype(np.int64)


@unit_models.register("outside")
@dataclass(frozen=True)
class OutsideUnit(DescribedModel):
    summary = "so many operations a second, whatever they are"

    op_per_s: float
    launch_ps: int = 0
    expert_launch_ps: int = 0

    def expert_ps(self, tokens, shape, weights):
        return self._ps(np.asarray(tokens, dtype=float) * shape.weights)

    def dense_ps(self, rows, inner, columns, weights=None):
        return self._ps(np.asarray(rows, dtype=float) * np.asarray(inner, dtype=float) * columns)

    def _ps(self, products):
        return np.minimum(np.ceil(2e12 * products / self.op_per_s), LONGEST_PS).astype(np.int64)

    @classmethod
    def read(cls, fields):
        fields.only("kind", "rate")
        return cls(fields.positive("rate", "op/s"))


@schedulers.register("outside")
class OutsideScheduler(Pbs):
    name = "outside"
    summary = "PBS under another name, with a script of its own"
    template = ("outside_templates", ".")


register_format(WeightFormat("outside", 4, group_size=64, scale_bits=8))


@families.register("outside_moe")
class OutsideFamily(Mixtral):
    summary = "as Mixtral, under another name"
    architectures = ("OutsideForCausalLM",)
