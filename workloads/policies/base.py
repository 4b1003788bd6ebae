"""The interface of an inference system's rules.

A policy is asked once per layer of every step, in execution order, and writes its decisions into
the context's plan. A third party registers its own with ``@policies.register("name")`` in a module
named by an entry point of the group ``moe_cosim.policies``; the contract every policy must meet is
`tests/workloads/policy_contract.py`, which such a package can run on its own class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from moe_cosim.errors import InputError, one_of
from moe_cosim.registry import Registry
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.quantization.formats import WeightFormat


class Policy(ABC):
    """One published system's placement, precision, migration and prefetch.

    `options` are the experiment's ``policy`` fields beside its name. Subclasses state the ones they
    take in `defaults`; others are refused.
    """

    summary: ClassVar[str]
    may_skip: ClassVar[bool] = False
    """Whether the system may leave a token's expert uncomputed."""
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, context: Context, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in self.defaults:
                raise InputError(context.where, f"policy.{name}", name, one_of(self.defaults, name))
        self.context = context
        self.options = {**self.defaults, **options}
        self.plan = context.plan
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Put copies in place and take slots, before the first step."""

    @abstractmethod
    def plan_layer(self, demand: LayerDemand) -> None:
        """Decide one MoE layer of one step; every token of `demand` is run exactly once."""

    def formats(self) -> set[WeightFormat]:
        """The precisions an expert may be computed at."""
        return {self.context.quantization.expert_format}

    def report(self) -> dict[str, float]:
        """Figures of its own that the system's publication speaks of (a predictor's accuracy, say)."""
        return {}

    def flag_option(self, name: str) -> bool:
        """An option that is true or false."""
        value = self.options[name]
        if not isinstance(value, bool):
            raise InputError(self.context.where, f"policy.{name}", value, "true or false")
        return value

    def share_option(self, name: str) -> float:
        """An option that is a number from 0 to 1."""
        value = self.options[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(self.context.where, f"policy.{name}", value, "a number from 0 to 1")
        return float(value)

    def whole_option(self, name: str, least: int, most: int) -> int | None:
        """An option that is a whole number in [least, most], or None where it is not set."""
        value = self.options[name]
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InputError(self.context.where, f"policy.{name}", value, f"a whole number from {least} to {most}")
        return value


policies: Registry[Policy] = Registry(
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
            "offloading.klotski",
            "hybrid.ktransformers",
            "hybrid.fiddler",
            "near_data.monde_dimm",
            "near_data.trimoe.policy",
            "near_data.edge_ndp",
        )
    ),
)
