"""Which policies look at rates: no others plan differently on machines that differ in rates alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moe_cosim.experiment import Experiment, experiment_names, load_experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.testing.policy.contract import plan_bytes
from moe_cosim.workloads.policies.base import Policy, policies, policy_class
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.prepare import policy_of
from moe_cosim.workloads.scenario import Scenario, draw
from tests.workloads.hand_made import one_layer, scenario

ASKING = {"cox-moe", "dali", "monde", "monde-dimm", "edge-ndp", "sieve", "trimoe"}
"""By the share of a link, or by what an expert costs where."""
SHORT = {"workload.prompt_tokens": 9, "workload.output_tokens": 5, "kv_cache": "gpu"}
LESSONS = {"flash-moe": {"flash-moe-past-runs": 2}}
"""Of what learns, few."""


def of_each_policy() -> dict[str, Experiment]:
    """The first shipped experiment of each, of those that route to experts; with no assumption of its own but
    `LESSONS`."""
    found: dict[str, Experiment] = {}
    for experiment in map(load_experiment, experiment_names()):
        name = str(experiment.policy["name"])
        if experiment.neurons is None and name not in found:
            found[name] = experiment.with_settings({**SHORT, "assumptions": LESSONS.get(name, {})})
    return found


EXPERIMENTS = of_each_policy()


def otherwise_fast(machine: Machine) -> Machine:
    """The same parts at other rates, latencies and windows, none by the same factor."""
    return Machine(
        machine.name,
        [replace(unit, window_bytes=unit.window_bytes / (2 + at)) for at, unit in enumerate(machine.units.values())],
        [
            replace(memory, peak_bytes_per_s=memory.peak_bytes_per_s / (3 + at), latency_ps=7 * memory.latency_ps)
            for at, memory in enumerate(machine.memories.values())
        ],
        [
            replace(link, peak_bytes_per_s=link.peak_bytes_per_s * (4 + at), latency_ps=link.latency_ps + at)
            for at, link in enumerate(machine.links.values())
        ],
        [replace(switch, bytes_per_s=switch.bytes_per_s / 2) for switch in machine.switches.values()],
        machine.assumptions,
        machine.title,
        [replace(peer, bytes_per_s=peer.bytes_per_s / 9) for peer in machine.peers.values()],
    )


def planned(experiment: Experiment, confronted: Scenario) -> tuple[Policy, bytes]:
    policy = policy_of(experiment, confronted)
    policy.plan_steps(0, confronted.demand.steps)
    return policy, plan_bytes(policy.plan.take())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_whoever_asked_for_no_costs_plans_the_same_at_any_rates(name: str) -> None:
    experiment = EXPERIMENTS[name]
    declared = policy_class(experiment).batching
    policy, plan = planned(experiment, draw(experiment, declared))
    confronted = draw(experiment, declared)
    _, other = planned(experiment, replace(confronted, machine=otherwise_fast(confronted.machine)))
    assert policy.context.asked_costs == (name in ASKING)
    assert (other != plan) == policy.context.asked_costs


def test_every_policy_is_looked_at() -> None:
    assert set(EXPERIMENTS) == set(policies.names())


def context() -> Context:
    experiment, confronted = scenario(one_layer([(0,)], [], 2), "on-demand", machine="h100-amx-dimm-ndp")
    return policy_of(experiment, confronted).context


def test_names_and_capacities_are_free() -> None:
    asked = context()
    memory = asked.gpu.local_memory
    assert asked.capacity_bytes(memory) > asked.addresses.free_bytes(memory)
    assert {unit.name for unit in asked.ndps} == {unit.name for unit in scenario_machine(asked).near_data_units}


def scenario_machine(asked: Context) -> Machine:
    assert not asked.asked_costs
    return asked.machine


@pytest.mark.parametrize("what", ["machine", "layout"])
def test_a_look_at_what_has_rates_counts_as_asking(what: str) -> None:
    asked = context()
    assert not asked.asked_costs
    getattr(asked, what)
    assert asked.asked_costs


def test_who_attends_near_the_data_was_chosen_by_costs() -> None:
    experiment = load_experiment(EXPERIMENTS["klotski"], {"kv_cache": "near-data"})
    assert policy_of(experiment, draw(experiment)).context.asked_costs
