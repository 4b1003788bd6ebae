"""What a policy may know: the machine and what it costs, the model, the demand; never an engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.batching.batching import Batching
from moe_cosim.workloads.bounce import BounceBuffers
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Copy, PlanBuilder
from moe_cosim.workloads.policies.residence import Residence
from moe_cosim.workloads.quantization.precisions import Quantization
from moe_cosim.workloads.scenario import Scenario
from moe_cosim.workloads.stripes import STRIPED, Stripes


@dataclass(frozen=True)
class MachinePart:
    """What of a unit has no rate and no latency."""

    name: str
    local_memory: str
    """The memory it sits beside."""

    @classmethod
    def of(cls, unit: Unit) -> MachinePart:
        """Name and local memory of a unit of the machine."""
        return cls(unit.name, unit.local_memory)


class Context:
    """A scenario, and the plan that one policy writes for it.

    Names, roles and capacities of the machine's parts are free to ask; whatever else is asked of it
    hangs on its rates and latencies, and is remembered in `asked_costs`.
    """

    def __init__(self, scenario: Scenario, plan: PlanBuilder, residence: Residence) -> None:
        self.model: Model = scenario.model
        self.workload: Workload = scenario.workload
        self.demand: Demand = scenario.demand
        self.quantization: Quantization = scenario.quantization
        self.assumptions: Assumptions = scenario.assumptions
        self.addresses: AddressMap = scenario.addresses
        self.seed: int = scenario.seed
        self.where: object = scenario.where
        self.plan = plan
        self.residence = residence
        self.batching: Batching = scenario.layout.batching
        """As the policy declared it."""
        self.asked_costs = scenario.layout.kv_stripes is not None
        """Whether decisions may hang on rates or latencies: the policy looked at the `machine` or the `layout`, or
        what attends near the data was chosen, and given its place, by what that costs. While it is False, machines
        that differ in rates and latencies alone get the same plan."""
        self._past = scenario.past
        self._past_runs = scenario.past_runs
        self._machine = scenario.machine
        self._layout = scenario.layout
        self._homes: dict[WeightFormat, NDArray[np.int64]] = {}

    @property
    def machine(self) -> Machine:
        """All of it, for what something costs alone (`moe_cosim.hw_models.alone`, the units' models)."""
        self.asked_costs = True
        return self._machine

    @property
    def layout(self) -> ModelLayout:
        """Where all but the experts lies, and who attends to it."""
        self.asked_costs = True
        return self._layout

    # -- the machine's parts by role --------------------------------------------------------

    @cached_property
    def gpu(self) -> MachinePart:
        """What computes the dense part; on a machine without a GPU, the CPU."""
        return MachinePart.of(self._machine.main_unit)

    @property
    def has_gpu(self) -> bool:
        """Else `gpu` is the host's CPU."""
        return self._machine.has_gpu

    @property
    def gpu_memory(self) -> str:
        """Its name: where experts that run there must lie."""
        return self.gpu.local_memory

    @cached_property
    def ndps(self) -> tuple[MachinePart, ...]:
        """Units near the data, in the order of the machine; none on a machine without."""
        return tuple(MachinePart.of(unit) for unit in self._machine.near_data_units)

    @property
    def home_memories(self) -> list[str]:
        """Where the full set of experts lives."""
        return list(self.residence.memories)

    @cached_property
    def _memory_of_expert(self) -> tuple[str, ...]:
        return self.residence.of_experts(self.demand.num_experts)

    def ndp_of(self, expert: int) -> MachinePart:
        """The NDP core beside the memory in which `expert` lives."""
        return next(unit for unit in self.ndps if unit.local_memory == self._memory_of_expert[expert])

    @cached_property
    def ndp_units(self) -> NDArray[np.int64]:
        """[experts] index of `ndp_of` as `PlanBuilder.run_rows` takes it."""
        found = [self.plan.unit_index(self.ndp_of(expert).name) for expert in range(self.demand.num_experts)]
        return np.array(found, dtype=np.int64)

    def require_cpu(self, policy: str) -> MachinePart:
        """The first host unit. Raises `InputError` naming the policy on a machine without one."""
        found = self._machine.host_units
        if not found:
            raise InputError(self.where, "machine", self._machine.name, f"a machine with a CPU unit (policy {policy})")
        return MachinePart.of(found[0])

    def capacity_bytes(self, memory: str) -> int:
        """Size of a memory, whatever lies in it."""
        return self._machine.memories[memory].capacity_bytes

    # -- other requests ---------------------------------------------------------------------

    def past_counts(self, requests: int) -> NDArray[np.float32]:
        """[requests, layers, experts] how often each of so many other requests chose each expert: further sequences of
        the same router. No request where nobody knows any."""
        if self._past is None or not requests:
            return np.zeros((0, self.demand.layers, self.demand.num_experts), np.float32)
        return self._past(requests)

    def past_runs(self, count: int) -> list[Demand]:
        """What so many other runs asked of their layers: further sequences of the same router, as many at once as this
        run's batch has. None where nobody knows any."""
        return [] if self._past_runs is None or not count else self._past_runs(count)

    # -- copies of experts ------------------------------------------------------------------

    def expert_bytes(self, weight_format: WeightFormat) -> int:
        """Stored size of one routed expert, scales included."""
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
        self._take_bounce_buffers(weight_format)

    def _take_bounce_buffers(self, weight_format: WeightFormat) -> None:
        """Where experts come from flash memory by way of the host's; large enough for the largest format."""
        ways = {self._machine.bounce_memory(home, self.gpu_memory) for home in self.home_memories}
        size, experts = aligned(self.expert_bytes(weight_format)), self.demand.num_experts
        for memory in ways - {None}:
            if self.plan.bounce is None or self.plan.bounce.each_bytes < size:
                region = self.addresses.take("bounce buffers", str(memory), 2 * experts * size)
                self.plan.bounce = BounceBuffers(region.address, size, experts)

    def keep_striped(self, weight_format: WeightFormat) -> None:
        """As `keep_all`, each copy in equal parts over all home memories (one memory, or a mixed home: as it is)."""
        if len(self.home_memories) == 1 or not self.residence.is_even:
            self.keep_all(weight_format)
        if weight_format in self._homes:
            return
        layers, experts = self.demand.layers, self.demand.num_experts
        places = self.stripe_places(f"experts ({weight_format.name}), striped", weight_format, layers * experts)
        self._homes[weight_format] = places.reshape(layers, experts)
        self.plan.reside(weight_format, self._homes[weight_format])

    def keep_some(self, weight_format: WeightFormat, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Copies of the experts `which` [layers, experts] at home, placed as `keep_striped` would. Returns their
        addresses, -1 for the others."""
        name, addresses = f"experts ({weight_format.name})", np.full(which.shape, -1, dtype=np.int64)
        if len(self.home_memories) > 1 and self.residence.is_even:
            addresses[which] = self.stripe_places(f"{name}, striped", weight_format, int(which.sum()))
        else:
            home = np.array(self._memory_of_expert)
            for memory in self.home_memories:
                own = which & (home == memory)
                addresses[own] = self.local_places(name, memory, weight_format, int(own.sum()))
        self.plan.reside(weight_format, addresses)
        return addresses

    def stripe_places(self, name: str, weight_format: WeightFormat, count: int) -> NDArray[np.int64]:
        """[count] striped addresses of places for one expert each; a run has one such region, and a second one is a
        `ValueError`.
        """
        if self.plan.stripes is not None:
            raise ValueError("the stripes of this plan are taken already")
        memories = self.home_memories
        part = aligned(-(-self.expert_bytes(weight_format) // len(memories)))
        starts = [self.addresses.take(name, memory, count * part).address for memory in memories]
        self.plan.stripes = Stripes(tuple(memories), tuple(starts))
        return STRIPED + part * np.arange(count, dtype=np.int64)

    def local_places(self, name: str, memory: str, weight_format: WeightFormat, count: int) -> list[int]:
        """Addresses of `count` places for one expert each in one memory."""
        places: list[int] = self._places(name, memory, weight_format, 1, count)[0].tolist()
        return places

    def home(self, layer: int, expert: int, weight_format: WeightFormat) -> Copy:
        """The copy `keep_all` put in place."""
        return Copy(self.plan.format_index(weight_format), int(self._homes[weight_format][layer, expert]))

    def homes(self, weight_format: WeightFormat) -> NDArray[np.int64]:
        """[layers, experts] addresses of the copies `keep_all` put in place."""
        return self._homes[weight_format]

    def gpu_slots(self, name: str, weight_format: WeightFormat, count: int) -> list[int]:
        """Addresses of `count` places for one expert each in the GPU's memory."""
        return self.local_places(name, self.gpu_memory, weight_format, count)

    def gpu_slots_by_layer(self, name: str, weight_format: WeightFormat, per_layer: int) -> NDArray[np.int64]:
        """[layers, per_layer] addresses of places for one expert each in the GPU's memory."""
        return self._places(name, self.gpu_memory, weight_format, self.demand.layers, per_layer)

    def _places(
        self, name: str, memory: str, weight_format: WeightFormat, rows: int, columns: int
    ) -> NDArray[np.int64]:
        return self.addresses.take_grid(name, [memory], rows, columns, self.expert_bytes(weight_format))

    def gpu_slots_that_fit(self, weight_format: WeightFormat) -> int:
        """How many experts the GPU's memory still has room for."""
        return max(self.addresses.free_bytes(self.gpu_memory), 0) // aligned(self.expert_bytes(weight_format))

    def require_slots(self, found: int, least: int, what: str) -> None:
        """Raise `InputError` where the GPU's memory has room for fewer experts than the system needs."""
        if found < least:
            raise InputError(
                self.where, f"{what} in {self.gpu_memory}", Plain(f"room for {found} experts"), f"at least {least}"
            )

    # -- unknowns ---------------------------------------------------------------------------

    def number(self, assumption: Assumption) -> float:
        """The value of an assumption in its base unit, which the result then lists."""
        return self.assumptions.number(assumption)

    def choice(self, assumption: Assumption) -> str:
        """The word that an assumption has, which the result then lists."""
        return self.assumptions.choice(assumption)
