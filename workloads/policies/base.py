"""The interface of an inference system's rules.

A policy is asked once per layer of every step, in execution order, and writes its decisions into
the context's plan. A third party registers its own with ``@policies.register("name")`` in a module
named by an entry point of the group ``moe_cosim.policies``; the contract every policy must meet is
`moe_cosim.testing.PolicyContract`, a suite that such a package runs on its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import EXPERTS, TOP_K, Options, read_options
from moe_cosim.registry import Registry
from moe_cosim.workloads.batching.batching import WHOLE, Batching, Outset
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.context import Context


class Policy(ABC):
    """One published system's placement, precision, migration and prefetch.

    `options` are the experiment's ``policy`` fields beside its name, as the class that a subclass
    names in `options_class`; what does not fit it is refused (`InputError`). A subclass with options
    also annotates ``options`` with that class.
    """

    summary: ClassVar[str]
    may_skip: ClassVar[bool] = False
    """Whether the system may leave a token's expert uncomputed."""
    homes: ClassVar[tuple[str, ...]] = ("near-data", "cxl", "host", "gpu", "mixed")
    """Where the full set of experts may live (`moe_cosim.workloads.policies.residence`): the first that the
    machine has, unless the experiment's ``policy.home`` names another of them."""
    needs_gpu: ClassVar[bool] = True
    """False: it also runs on a machine without one, whose CPU is then what `Context.gpu` names."""
    lowering_hooks: ClassVar[tuple[str, ...]] = ()
    """Names of what adds events of its own to every layer (`moe_cosim.workloads.lowering.hooks`)."""
    cost_model: ClassVar[str] = "units"
    """The published cost model that the engine ``makespan`` adds its plan up by (`moe_cosim.sim.engines.makespan`);
    ``units``: none is published, the plain sums."""
    options_class: ClassVar[type[Options]] = Options
    assumptions: ClassVar[tuple[Assumption, ...]] = ()
    """What the system's publication leaves open, and this policy asks the context for."""
    options: Options

    def __init__(self, context: Context, options: Mapping[str, Any]) -> None:
        limits = {EXPERTS: context.demand.num_experts, TOP_K: context.demand.top_k}
        self.context = context
        self.options = read_options(self.options_class, options, context.where, "policy", limits, ("home",))
        self.plan = context.plan
        self.prepare()

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        """How the system goes through a layer, where that is not all at once on the GPU: asked before anything is
        placed. `Outset.read` gives it its options."""
        return WHOLE

    @abstractmethod
    def prepare(self) -> None:
        """Put copies in place and take slots, before the first step. May raise `InputError`: for options that do not
        fit each other, or a machine without what the system needs.
        """

    def plan_steps(self, first: int, last: int) -> None:
        """Decide the steps from `first` up to, but without, `last`; called once for each, in order.

        A system whose decisions do not hang on each other may take many steps at once here
        (`Demand.rows`); else its layers are decided one by one.
        """
        for step in range(first, last):
            for demand in self.context.demand.step(step):
                self.plan.at(step, demand.layer)
                self.plan_layer(demand)

    @abstractmethod
    def plan_layer(self, demand: LayerDemand) -> None:
        """Decide one MoE layer of one step; every token of `demand` is run exactly once."""

    def formats(self) -> set[WeightFormat]:
        """The precisions an expert may be computed at."""
        return {self.context.quantization.expert_format}

    def report(self) -> dict[str, float]:
        """Figures of its own that the system's publication speaks of (a predictor's accuracy, say)."""
        return {}


policies: Registry[type[Policy]] = Registry(
    "policy",
    "policies",
    tuple(
        f"moe_cosim.workloads.policies.{module}"
        for module in (
            "offloading.on_demand",
            "offloading.lru",
            "offloading.belady",
            "near_data.monde",
            "offloading.hobbit",
            "near_data.cxl_ndp",
            "offloading.all_on_gpu",
            "offloading.infinity",
            "offloading.flash_moe",
            "offloading.speculating_experts",
            "offloading.wisp",
            "batched.klotski",
            "batched.flexgen",
            "batched.moe_lightning",
            "batched.moe_gen",
            "batched.cox_moe",
            "hybrid.static_hybrid",
            "hybrid.ktransformers",
            "hybrid.fiddler",
            "hybrid.dali",
            "near_data.monde_dimm",
            "near_data.trimoe.policy",
            "near_data.edge_ndp",
            "near_data.sieve",
            "offloading.specmoe",
            "precision.dynaexq",
            "precision.dymoe",
        )
    ),
)


def policy_class(experiment: Experiment) -> type[Policy]:
    """The class an experiment's policy names; `InputError` where there is none."""
    if "name" not in experiment.policy:
        raise InputError(experiment.where, "policy.name", Plain("nothing"), policies.names())
    return policies.get(str(experiment.policy["name"]), experiment.where, "policy.name")
