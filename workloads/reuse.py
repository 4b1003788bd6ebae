"""Plans and programs that runs share: points of a sweep that differ in rates, latencies, windows or the engine alone.

Shared is what a run of one block came to. Another run may take it when everything that policy and lowering looked at
is the same: model, demand, losses, options, and of the machine all but its rates; also those, where the policy asked
for costs, or hooks of the lowering may have looked at them. Assumptions count by what was asked for, while planning
and lowering, and with which value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.experiment import Experiment, Workload
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.software import Software
from moe_cosim.workloads import blocks
from moe_cosim.workloads.batching.batching import Batching
from moe_cosim.workloads.blocks import Block
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.lowering.hooks import hook_names
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.policies.base import Policy, policy_class
from moe_cosim.workloads.quantization.losses import LossTable
from moe_cosim.workloads.scenario import Scenario
from moe_cosim.workloads.verify.draft import PlacedDraft

MOST: Final = 4
"""Programs kept. A sweep runs those that share one after the other."""


@dataclass(frozen=True)
class Cause:
    """What decides a run's plan and program, but for assumptions."""

    machine: Machine
    model: Model
    workload: Workload
    demand: Demand
    losses: LossTable
    software: Software
    attending: tuple[str, ...]
    """Units near the data that attend."""
    kv_page_bytes: int
    batching: Batching
    draft: PlacedDraft | None
    policy: type[Policy]
    options: str
    """The experiment's other choices: of the policy, the precisions, where keys and values lie, the seed."""

    @classmethod
    def of(cls, experiment: Experiment, scenario: Scenario) -> Cause:
        """Of an experiment as its scenario found it."""
        chosen = scenario.quantization
        formats = (
            experiment.quantization,
            chosen.expert_format,
            chosen.parts,
        )  # where the experiment is silent, the model's
        options = (sorted(experiment.policy.items()), formats, experiment.kv_cache, experiment.seed)
        return cls(
            scenario.machine,
            scenario.model,
            experiment.workload,
            scenario.demand,
            scenario.quantization.losses,
            scenario.software,
            scenario.layout.attention_units,
            scenario.layout.kv_page_bytes,
            scenario.layout.batching,
            scenario.draft,
            policy_class(experiment),
            repr(options),
        )

    def equals(self, other: Cause, rates: bool) -> bool:
        """Whether both come to the same; `rates`: of the machine these count too."""
        return (
            self.demand is other.demand
            and self.losses is other.losses
            and self.policy is other.policy
            and self.options == other.options
            and self.workload == other.workload
            and self.model == other.model
            and self.software == other.software
            and self.attending == other.attending
            and self.kv_page_bytes == other.kv_page_bytes
            and self.batching == other.batching
            and self.draft == other.draft
            and (
                self.machine is other.machine
                or (not rates and self.machine.without_rates == other.machine.without_rates)
            )
        )


@dataclass(frozen=True)
class Lowered:
    """A run's whole plan and program, which nobody changes any more."""

    cause: Cause
    policy: Policy
    block: Block
    bases: Mapping[str, str]
    """By assumption that was asked for: what decided its value."""
    asked: tuple[Assumption, ...]

    @property
    def _may_hang_on_rates(self) -> bool:
        hooks = hook_names(self.cause.machine, self.policy.lowering_hooks)
        return self.policy.context.asked_costs or bool(hooks)

    def serves(self, cause: Cause, assumptions: Assumptions) -> bool:
        """Whether a run for this cause would come to the same."""
        return (
            len(self.block.program.events) <= blocks.EVENTS_PER_BLOCK
            and self.cause.equals(cause, rates=self._may_hang_on_rates)
            and all(assumptions.basis(name) == basis for name, basis in self.bases.items())
        )


class Reuse:
    """The programs that this process has kept, the last ones."""

    def __init__(self) -> None:
        self._kept: deque[Lowered] = deque(maxlen=MOST)

    def find(self, cause: Cause, assumptions: Assumptions) -> Lowered | None:
        """One that serves; what was asked for in making it counts as used here."""
        for lowered in self._kept:
            if lowered.serves(cause, assumptions):
                assumptions.recall(lowered.asked)
                return lowered
        return None

    def keep(self, cause: Cause, policy: Policy, block: Block, heard: Mapping[str, str]) -> None:
        """`heard`: what `Assumptions.listen` gave before the policy was made. Those for another demand go: it may be
        large, and will not come again as the same object."""
        if any(lowered.cause.demand is not cause.demand for lowered in self._kept):
            self._kept.clear()
        used = {one.name: one for one in policy.context.assumptions.used()}
        self._kept.append(Lowered(cause, policy, block, dict(heard), tuple(used[name] for name in heard)))

    def clear(self) -> None:
        """Forget all; the next run plans anew."""
        self._kept.clear()


REUSE: Final = Reuse()
