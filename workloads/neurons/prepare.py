"""From an experiment with neurons to the program an engine runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.blocks import EVENTS_PER_BLOCK, Block, join
from moe_cosim.workloads.neurons.lowering import NeuronLowering
from moe_cosim.workloads.neurons.policies.base import NeuronPolicy, neuron_policy_class
from moe_cosim.workloads.neurons.scenario import NeuronScenario, draw_neurons
from moe_cosim.workloads.plan import PlanBuilder


@dataclass(frozen=True)
class PreparedNeurons:
    """As `moe_cosim.workloads.prepare.Prepared`, of a dense model: blocks' plans, which are of experts, are empty."""

    experiment: Experiment
    scenario: NeuronScenario
    policy: NeuronPolicy
    blocks: Iterator[Block]

    @property
    def machine(self) -> Machine:
        """The one that the experiment describes."""
        return self.scenario.machine

    @cached_property
    def whole(self) -> Block:
        """All of it at once."""
        return join(list(self.blocks))


def prepare_neurons(experiment: Experiment) -> PreparedNeurons:
    """Build, draw the activity, choose the policy. Raises `InputError` for an experiment that cannot be."""
    chosen = neuron_policy_class(experiment)
    scenario = draw_neurons(experiment)
    policy = chosen(scenario, {name: value for name, value in experiment.policy.items() if name != "name"})
    return PreparedNeurons(experiment, scenario, policy, _blocks(scenario, policy))


def _blocks(scenario: NeuronScenario, policy: NeuronPolicy) -> Iterator[Block]:
    lowering, nothing = NeuronLowering(scenario, policy), PlanBuilder(_computing(scenario))
    yield Block(nothing.take(), lowering.prefill(policy.placement()))
    first, last = 1, 1 + scenario.decode.count
    steps = 1
    while first < last:
        end = min(first + steps, last)
        program = lowering.decode(policy.plan_steps(first, end))
        yield Block(nothing.take(), program)
        # about as many events in every block
        steps = max(1, EVENTS_PER_BLOCK * (end - first) // len(program.events))
        first = end
    scenario.assumptions.check_all_settings_used()


def _computing(scenario: NeuronScenario) -> tuple[str, ...]:
    return tuple(unit.name for unit in scenario.machine.units.values() if unit.model is not None)
