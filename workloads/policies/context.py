"""What a policy may know: the machine and what it costs, the model, the demand; never an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Unit
from moe_cosim.workloads.address_map import aligned
from moe_cosim.workloads.plan import Copy, PlanBuilder
from moe_cosim.workloads.policies.residence import Residence
from moe_cosim.workloads.quantization.formats import WeightFormat
from moe_cosim.workloads.scenario import Scenario
from moe_cosim.workloads.stripes import STRIPED, Stripes


@dataclass(frozen=True)
class Context(Scenario):
    """A scenario, and the plan that one policy writes for it."""

    plan: PlanBuilder = field(kw_only=True)
    residence: Residence = field(kw_only=True)
    _homes: dict[WeightFormat, NDArray[np.int64]] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, scenario: Scenario, plan: PlanBuilder, residence: Residence) -> Context:
        return cls(**vars(scenario), plan=plan, residence=residence)

    # -- the machine's parts by role --------------------------------------------------------

    @property
    def gpu(self) -> Unit:
        return self.machine.main_unit

    @property
    def gpu_memory(self) -> str:
        return self.gpu.local_memory

    @property
    def ndps(self) -> tuple[Unit, ...]:
        return self.machine.near_data_units

    @property
    def home_memories(self) -> list[str]:
        """Where the full set of experts lives."""
        return list(self.residence.memories)

    @cached_property
    def _memory_of_expert(self) -> tuple[str, ...]:
        return self.residence.of_experts(self.demand.num_experts)

    def ndp_of(self, expert: int) -> Unit:
        """The NDP core beside the memory in which `expert` lives."""
        return next(unit for unit in self.ndps if unit.local_memory == self._memory_of_expert[expert])

    def require_cpu(self, policy: str) -> Unit:
        found = self.machine.host_units
        if not found:
            raise InputError(self.where, "machine", self.machine.name, f"a machine with a CPU unit (policy {policy})")
        return found[0]

    # -- copies of experts ------------------------------------------------------------------

    def expert_bytes(self, weight_format: WeightFormat) -> int:
        return weight_format.expert_bytes(self.model.expert)

    def keep_all(self, weight_format: WeightFormat) -> None:
        """A copy of every expert in its home memory, in place from the start."""
        if weight_format in self._homes:
            return
        grid = self.addresses.take_grid(
            f"experts ({weight_format.name})",
            self._memory_of_expert,
            self.demand.layers,
            self.demand.num_experts,
            self.expert_bytes(weight_format),
        )
        self._homes[weight_format] = grid
        self.plan.reside(weight_format, grid)

    def keep_striped(self, weight_format: WeightFormat) -> None:
        """As `keep_all`, each copy in equal parts over all home memories (one memory, or a mixed home: as it is)."""
        if len(self.home_memories) == 1 or not self.residence.is_even:
            self.keep_all(weight_format)
        if weight_format in self._homes:
            return
        layers, experts = self.demand.layers, self.demand.num_experts
        places = self.stripe_places(f"experts ({weight_format.name}), striped", weight_format, layers * experts)
        self._homes[weight_format] = np.array(places, dtype=np.int64).reshape(layers, experts)
        self.plan.reside(weight_format, self._homes[weight_format])

    def stripe_places(self, name: str, weight_format: WeightFormat, count: int) -> list[int]:
        """Striped addresses of `count` places for one expert each; a run has one such region."""
        if self.plan.stripes is not None:
            raise ValueError("the stripes of this plan are taken already")
        memories = self.home_memories
        part = aligned(-(-self.expert_bytes(weight_format) // len(memories)))
        starts = [self.addresses.take(name, memory, count * part).address for memory in memories]
        self.plan.stripes = Stripes(tuple(memories), tuple(starts))
        return [STRIPED + part * index for index in range(count)]

    def local_places(self, name: str, memory: str, weight_format: WeightFormat, count: int) -> list[int]:
        """Addresses of `count` places for one expert each in one memory."""
        grid = self.addresses.take_grid(name, [memory], 1, count, self.expert_bytes(weight_format))
        return [int(address) for address in grid[0]]

    def home(self, layer: int, expert: int, weight_format: WeightFormat) -> Copy:
        """The copy `keep_all` put in place."""
        return Copy(self.plan.format_index(weight_format), int(self._homes[weight_format][layer, expert]))

    def gpu_slots(self, name: str, weight_format: WeightFormat, count: int) -> list[int]:
        """Addresses of `count` places for one expert each in the GPU's memory."""
        grid = self.addresses.take_grid(name, [self.gpu_memory], 1, count, self.expert_bytes(weight_format))
        return [int(address) for address in grid[0]]

    def gpu_slots_that_fit(self, weight_format: WeightFormat) -> int:
        """How many experts the GPU's memory still has room for."""
        return max(self.addresses.free_bytes(self.gpu_memory), 0) // aligned(self.expert_bytes(weight_format))

    def require_slots(self, found: int, least: int, what: str) -> None:
        if found < least:
            raise InputError(
                self.where, f"{what} in {self.gpu_memory}", Plain(f"room for {found} experts"), f"at least {least}"
            )

    # -- unknowns ---------------------------------------------------------------------------

    def number(self, assumption: Assumption) -> float:
        return self.assumptions.number(assumption)

    def choice(self, assumption: Assumption) -> str:
        return self.assumptions.choice(assumption)
