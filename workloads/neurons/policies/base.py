"""The interface of a system's rules for neurons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, read_options
from moe_cosim.registry import Registry
from moe_cosim.workloads.address_map import AddressMap
from moe_cosim.workloads.neurons.layout import NeuronLayout, place_neurons
from moe_cosim.workloads.neurons.plan import NeuronPlan, Placement
from moe_cosim.workloads.neurons.scenario import NeuronScenario

SYNC: Final = Assumption(
    "hermes-synchronisation",
    "5 us",
    ("0 us", "20 us"),
    "T_sync in equation 3 of Hermes (arXiv 2502.16963): one way between GPU and modules, beside what the bytes take; "
    "not published. A kernel's launch by the CUDA driver takes about as long",
    "ps",
)


class NeuronPolicy(ABC):
    """One system on one scenario: places weights, then decides decode steps in their order.

    Raises `InputError` for options that do not fit, and for a machine that lacks what the system needs.
    """

    summary: ClassVar[str]
    options_class: ClassVar[type[Options]] = Options
    assumptions: ClassVar[tuple[Assumption, ...]] = (SYNC,)
    options: Options

    def __init__(self, scenario: NeuronScenario, options: Mapping[str, Any]) -> None:
        self.scenario = scenario
        self.options = read_options(self.options_class, options, scenario.where, "policy")
        machine = scenario.machine
        if not machine.has_gpu:
            found = Plain(f"{machine.name}, which has no GPU")
            raise InputError(scenario.where, "machine", found, "a machine with a GPU")
        self.near: tuple[Unit, ...] = self.units_beside(machine)
        addresses = AddressMap(machine.memories, scenario.where)
        self.layout: NeuronLayout = place_neurons(machine, scenario.neurons, scenario.experiment, self.near, addresses)
        self.sync_ps = round(scenario.assumptions.number(SYNC))
        self.prepare()

    def units_beside(self, machine: Machine) -> tuple[Unit, ...]:
        """Who computes what the GPU does not; `InputError` where there is nobody."""
        found = machine.near_data_units
        if not found:
            lacks = Plain(f"{machine.name}, which has no NDP unit")
            raise InputError(self.scenario.where, "machine", lacks, "a machine with NDP units")
        return found

    @abstractmethod
    def prepare(self) -> None:
        """Before the prefill."""

    @abstractmethod
    def placement(self) -> Placement:
        """What the prefill streams, and what is loaded behind it."""

    @abstractmethod
    def plan_steps(self, first: int, last: int) -> NeuronPlan:
        """Decide decode steps `first` (from 1 on) up to, but without, `last`; called once for each, in order."""

    def report(self) -> dict[str, float]:
        """Figures of its own."""
        return {}


neuron_policies: Final[Registry[type[NeuronPolicy]]] = Registry(
    "policy of neurons",
    "neuron_policies",
    tuple(f"moe_cosim.workloads.neurons.policies.{module}" for module in ("hermes.policy", "hermes_base")),
)


def neuron_policy_class(experiment: Experiment) -> type[NeuronPolicy]:
    """The class an experiment's policy names; `InputError` where there is none."""
    if "name" not in experiment.policy:
        raise InputError(experiment.where, "policy.name", Plain("nothing"), neuron_policies.names())
    return neuron_policies.get(str(experiment.policy["name"]), experiment.where, "policy.name")
