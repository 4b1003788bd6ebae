"""From an experiment to the program an engine runs: scenario, plan, events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.blocks import Block, blocks_of, join
from moe_cosim.workloads.lowering import Lowering
from moe_cosim.workloads.plan import Plan, PlanBuilder
from moe_cosim.workloads.policies.base import Policy, policy_class
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.policies.residence import residence
from moe_cosim.workloads.programs.program import Program
from moe_cosim.workloads.reuse import REUSE, Cause, Lowered
from moe_cosim.workloads.scenario import Scenario, draw


@dataclass(frozen=True)
class Prepared:
    """One experiment, ready for an engine: what it runs is planned and lowered as it is asked for."""

    experiment: Experiment
    scenario: Scenario
    policy: Policy
    blocks: Iterable[Block]
    """The run in blocks of steps, made as they are taken, once: take these or the `whole`, not both.
    `InputError` for a step that cannot be, and after the last for a setting that nothing asked for."""

    @property
    def machine(self) -> Machine:
        """The one that the scenario describes."""
        return self.scenario.machine

    @cached_property
    def whole(self) -> Block:
        """All of it at once."""
        return join(list(self.blocks))

    @property
    def plan(self) -> Plan:
        """Of all steps at once; for runs that are short enough."""
        return self.whole.plan

    @property
    def program(self) -> Program:
        """Of all steps at once; for runs that are short enough."""
        return self.whole.program


def prepare(experiment: Experiment) -> Prepared:
    """Build, route, choose the policy. Raises `InputError` for an experiment that cannot be."""
    scenario = draw(experiment, policy_class(experiment).batching)
    cause = Cause.of(experiment, scenario)
    known = REUSE.find(cause, scenario.assumptions)
    if known is not None:
        return Prepared(experiment, scenario, known.policy, _again(known, scenario))
    heard = scenario.assumptions.listen()
    policy = policy_of(experiment, scenario)
    lowering = lowering_of(scenario, policy.lowering_hooks)
    return Prepared(experiment, scenario, policy, _blocks(policy, lowering, cause, heard))


def _again(known: Lowered, scenario: Scenario) -> Iterator[Block]:
    """What a run before this one came to."""
    yield known.block
    scenario.assumptions.check_all_settings_used()


def _blocks(policy: Policy, lowering: Lowering, cause: Cause, heard: Mapping[str, str]) -> Iterator[Block]:
    only: Block | None = None
    for number, block in enumerate(blocks_of(policy, lowering)):
        only = block if number == 0 else None
        yield block
    policy.context.assumptions.check_all_settings_used()
    if only is not None:
        REUSE.keep(cause, policy, only, heard)


def policy_of(experiment: Experiment, scenario: Scenario) -> Policy:
    """The experiment's policy, with its copies in place, before the first step. Raises `InputError` for a policy that
    the machine or the options do not suit.
    """
    builder = PlanBuilder(tuple(unit.name for unit in scenario.machine.units.values() if unit.model is not None))
    options = {name: value for name, value in experiment.policy.items() if name not in ("name", "home")}
    chosen, asked, name = policy_class(experiment), experiment.policy.get("home"), str(experiment.policy["name"])
    if chosen.needs_gpu and not scenario.machine.has_gpu:
        found = Plain(f"{scenario.machine.name}, which has no GPU")
        raise InputError(experiment.where, "machine", found, f"a machine with a GPU (policy {name})")
    home = residence(scenario.machine, asked, chosen.homes, name, experiment.where)
    return chosen(Context(scenario, builder, home), options)


def lowering_of(scenario: Scenario, hooks: tuple[str, ...] = ()) -> Lowering:
    """What makes events of plans for this scenario, with those of the policy's `hooks`."""
    return Lowering(
        scenario.machine,
        scenario.model,
        scenario.workload,
        scenario.layout,
        scenario.decode,
        scenario.quantization.parts,
        scenario.software,
        hooks,
        scenario.draft,
    )
