"""From an experiment to the program an engine runs: scenario, plan, events."""

from __future__ import annotations

from dataclasses import dataclass

from moe_cosim.assumptions import Assumption
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.lowering import lower
from moe_cosim.workloads.plan import Plan, PlanBuilder
from moe_cosim.workloads.policies.base import Policy, policy_class
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.policies.residence import residence
from moe_cosim.workloads.program import Program
from moe_cosim.workloads.scenario import Scenario, draw

HOST_OVERHEAD = Assumption(
    "host-overhead-per-layer",
    "225 us",
    ("0 ns", "400 us"),
    "GPU time lost per layer to the host launching kernels one by one: an eager PyTorch Mixtral layer launches about "
    "45 kernels outside the experts, at 5 us each; with CUDA graphs about 0. The published absolute decode rates of "
    "Mixtral-8x22B (arXiv 2512.04476) leave about as much",
    "ps",
)


@dataclass(frozen=True)
class Prepared:
    """One experiment, ready for an engine, with all it came from."""

    experiment: Experiment
    scenario: Scenario
    policy: Policy
    plan: Plan
    program: Program

    @property
    def machine(self) -> Machine:
        return self.scenario.machine


def prepare(experiment: Experiment) -> Prepared:
    """Build, route, plan and lower. Raises `InputError` for an experiment that cannot be."""
    policy_class(experiment)  # a misspelt name is said before the routing is drawn
    scenario = draw(experiment)
    policy, plan = decide(experiment, scenario)
    program = lower_plan(scenario, plan, policy.lowering_hooks)
    scenario.assumptions.check_all_settings_used()
    return Prepared(experiment, scenario, policy, plan, program)


def decide(experiment: Experiment, scenario: Scenario) -> tuple[Policy, Plan]:
    """Let the experiment's policy plan every layer of every step."""
    builder = PlanBuilder(tuple(unit.name for unit in scenario.machine.units.values() if unit.model is not None))
    options = {name: value for name, value in experiment.policy.items() if name not in ("name", "home")}
    chosen, asked = policy_class(experiment), experiment.policy.get("home")
    home = residence(scenario.machine, asked, chosen.homes, str(experiment.policy["name"]), experiment.where)
    policy = chosen(Context.of(scenario, builder, home), options)
    for step in range(scenario.demand.steps):
        for layer_demand in scenario.demand.step(step):
            builder.at(step, layer_demand.layer)
            policy.plan_layer(layer_demand)
    return policy, builder.build()


def lower_plan(scenario: Scenario, plan: Plan, hooks: tuple[str, ...] = ()) -> Program:
    """The plan as event streams, with those of the policy's `hooks`."""
    host_ps = round(scenario.assumptions.number(HOST_OVERHEAD))
    return lower(scenario.machine, scenario.model, scenario.workload, scenario.layout, plan, host_ps, hooks)
