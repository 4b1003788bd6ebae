"""From an experiment to everything an engine needs: machine and program, and what they came from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.merge import EXPERIMENT
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.workloads.address_map import AddressMap
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.kv_site import attention_units, kv_memories
from moe_cosim.workloads.layout import ModelLayout, place_model
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.lowering import lower
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan, PlanBuilder
from moe_cosim.workloads.policies.base import Policy, policies
from moe_cosim.workloads.policies.context import Context, Quantization
from moe_cosim.workloads.policies.residence import Residence, residence
from moe_cosim.workloads.program import Program
from moe_cosim.workloads.quantization.formats import find_format
from moe_cosim.workloads.quantization.losses import LossTable, read_losses, synthetic_losses
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, routing_source
from moe_cosim.workloads.workload import Workload

HOST_OVERHEAD = Assumption(
    "host-overhead-per-layer",
    "225 us",
    ("0 ns", "400 us"),
    "GPU time lost per layer to the host launching kernels one by one: an eager PyTorch Mixtral layer launches about "
    "45 kernels outside the experts, at 5 us each; with CUDA graphs about 0. The published absolute decode rates of "
    "Mixtral-8x22B (arXiv 2512.04476) leave about as much",
    "ps",
)


DMA_LANES = ("activations", "weights", "prefetch")


@dataclass(frozen=True)
class Scenario:
    """What a policy is confronted with: a machine, a model and the routing of one workload."""

    experiment: Experiment
    assumptions: Assumptions
    machine: Machine
    model: Model
    workload: Workload
    routing: Routing
    demand: Demand
    quantization: Quantization


@dataclass(frozen=True)
class Decision:
    """What it decided, and where everything lies."""

    scenario: Scenario
    addresses: AddressMap
    layout: ModelLayout
    policy: Policy
    plan: Plan


@dataclass(frozen=True)
class Prepared:
    """One experiment, lowered."""

    experiment: Experiment
    machine: Machine
    model: Model
    routing: Routing
    demand: Demand
    policy: Policy
    plan: Plan
    program: Program
    addresses: AddressMap
    quantization: Quantization
    assumptions: list[Assumption]


def prepare(experiment: Experiment) -> Prepared:
    """Build, route, plan and lower. Raises `InputError` for an experiment that cannot be."""
    _policy_class(experiment)  # a misspelt name is said before the routing is drawn
    decision = decide(draw(experiment))
    program = lower_plan(decision)
    scenario = decision.scenario
    scenario.assumptions.check_all_settings_used()
    return Prepared(
        experiment,
        scenario.machine,
        scenario.model,
        scenario.routing,
        scenario.demand,
        decision.policy,
        decision.plan,
        program,
        decision.addresses,
        scenario.quantization,
        scenario.assumptions.used(),
    )


def draw(experiment: Experiment) -> Scenario:
    """Build the machine and draw the routing: the same for every policy, so that comparisons are paired."""
    where = experiment.where
    assumptions = Assumptions(experiment.assumptions, where)
    machine = machine_of(experiment, assumptions)
    _require_gpu(machine, where)
    model = find_model(experiment.model, where)
    if model.encoder_layers:
        raise InputError(where, "model", model.name, "a decoder-only model (encoder layers are not lowered)")
    workload = experiment.workload.workload()
    quantization = _quantization(experiment, model, assumptions)
    check_size(model, workload, where)
    # for what it refuses, before the routing is drawn
    _place(experiment, machine, model, workload, quantization, assumptions)
    shape = RoutingShape(
        layers=len(model.moe_layers),
        experts=model.routed_experts,
        top_k=model.top_k,
        sequences=workload.batch,
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.decode_steps,
    )
    routing, demand = _draw_routing(experiment, shape, assumptions)
    return Scenario(experiment, assumptions, machine, model, workload, routing, demand, quantization)


_DEFAULT = object()
"""What an experiment sets an assumption to that it does not set."""
_LAST_DRAW: dict[str, tuple[Routing, Demand, dict[str, tuple[Any, Assumption]]]] = {}
"""The routing drawn last in this process: systems are compared on the same one, and large batches take
longer to draw than to simulate."""


def _draw_routing(experiment: Experiment, shape: RoutingShape, assumptions: Assumptions) -> tuple[Routing, Demand]:
    """Drawn anew unless everything that decides it is as the last time."""
    chosen = json.dumps([experiment.routing, asdict(shape), experiment.seed], sort_keys=True, default=str)
    if chosen in _LAST_DRAW and "file" not in experiment.routing:
        routing, demand, made = _LAST_DRAW[chosen]
        if all(experiment.assumptions.get(name, _DEFAULT) == value for name, (value, _) in made.items()):
            for _, assumption in made.values():
                assumptions.resolve(assumption)
            return routing, demand
    before = {one.name for one in assumptions.used()}
    routing = routing_source(experiment.routing, experiment.where).draw(shape, experiment.seed, assumptions)
    demand = Demand(routing)
    made = {
        one.name: (experiment.assumptions.get(one.name, _DEFAULT), one)
        for one in assumptions.used()
        if one.name not in before
    }
    _LAST_DRAW.clear()
    _LAST_DRAW[chosen] = routing, demand, made
    return routing, demand


def decide(scenario: Scenario) -> Decision:
    """Give out addresses and let the policy plan every layer of every step."""
    experiment, machine, demand = scenario.experiment, scenario.machine, scenario.demand
    addresses, layout = _place(
        experiment, machine, scenario.model, scenario.workload, scenario.quantization, scenario.assumptions
    )
    builder = PlanBuilder(tuple(unit.name for unit in machine.units.values() if unit.model is not None))
    context = Context(
        machine,
        scenario.model,
        scenario.workload,
        demand,
        scenario.quantization,
        scenario.assumptions,
        addresses,
        builder,
        _residence(experiment, machine),
        experiment.seed,
        experiment.where,
        layout,
    )
    policy = _policy(experiment, context)
    for step in range(demand.steps):
        for layer_demand in demand.step(step):
            builder.at(step, layer_demand.layer)
            policy.plan_layer(layer_demand)
    return Decision(scenario, addresses, layout, policy, builder.build())


def lower_plan(decision: Decision) -> Program:
    """The plan as event streams."""
    scenario = decision.scenario
    host_ps = round(scenario.assumptions.number(HOST_OVERHEAD))
    return lower(scenario.machine, scenario.model, scenario.workload, decision.layout, decision.plan, host_ps)


def machine_of(experiment: Experiment, assumptions: Assumptions) -> Machine:
    """The experiment's machine; what the experiment says wrong of it is an error in the experiment."""
    try:
        return build_machine(experiment.machine.use, assumptions, experiment.machine.set)
    except InputError as error:
        if error.where != EXPERIMENT:
            raise
        field = "machine.use" if error.field == "machine" else f"machine.{error.field}"
        raise InputError(experiment.where, field, error.found, error.allowed) from None


def _place(
    experiment: Experiment,
    machine: Machine,
    model: Model,
    workload: Workload,
    quantization: Quantization,
    assumptions: Assumptions,
) -> tuple[AddressMap, ModelLayout]:
    """Addresses of all but the experts; `InputError` where they do not fit."""
    addresses = AddressMap(machine.memories, experiment.where)
    gpu_memory = machine.units_in_role(Role.MAIN)[0].local_memory
    near = [unit.local_memory for role in (Role.NEAR_DATA, Role.HOST) for unit in machine.units_in_role(role)]
    kv = kv_memories(machine, experiment.kv_cache, experiment.where)
    attending = attention_units(machine, model, workload, assumptions) if kv else ()
    layout = place_model(model, workload, quantization.dense_format, addresses, gpu_memory, near, kv, attending)
    return addresses, layout


def _policy_class(experiment: Experiment) -> type[Policy]:
    if "name" not in experiment.policy:
        raise InputError(experiment.where, "policy.name", Plain("nothing"), one_of(policies.names()))
    return policies.get(str(experiment.policy["name"]), experiment.where, "policy.name")


def _policy(experiment: Experiment, context: Context) -> Policy:
    options = {name: value for name, value in experiment.policy.items() if name not in ("name", "home")}
    return _policy_class(experiment)(context, options)


def _residence(experiment: Experiment, machine: Machine) -> Residence:
    homes = _policy_class(experiment).homes
    return residence(machine, experiment.policy.get("home"), homes, str(experiment.policy["name"]), experiment.where)


def _quantization(experiment: Experiment, model: Model, assumptions: Assumptions) -> Quantization:
    chosen, where = experiment.quantization, experiment.where
    return Quantization(
        expert_format=find_format(chosen.expert_format, where, "quantization.expert_format"),
        dense_format=find_format(chosen.dense_format, where, "quantization.dense_format"),
        average_bits=chosen.average_bits,
        allocation=chosen.allocation,
        losses=_losses(experiment, model, assumptions),
    )


def _losses(experiment: Experiment, model: Model, assumptions: Assumptions) -> LossTable:
    source = experiment.quantization.losses
    if source == "synthetic":
        return synthetic_losses(len(model.moe_layers), model.routed_experts, experiment.seed, assumptions)
    if not Path(source).is_file():
        allowed = "'synthetic', or the path of a .npz or .csv loss table"
        raise InputError(experiment.where, "quantization.losses", source, allowed)
    return read_losses(Path(source), model)


def _require_gpu(machine: Machine, where: str) -> None:
    """One GPU, and the lanes of the copy engine beside it that programs are lowered to."""
    gpus = machine.units_in_role(Role.MAIN)
    if len(gpus) != 1:
        raise InputError(where, "machine", Plain(f"{machine.name} with {len(gpus)} GPUs"), "a machine with one GPU")
    lanes = {
        lane
        for unit in machine.units_in_role(Role.COPY)
        if unit.local_memory == gpus[0].local_memory
        for lane in unit.lanes
    }
    if not lanes >= set(DMA_LANES):
        found = Plain(f"{machine.name} with copy lanes {', '.join(sorted(lanes)) or 'none'} beside its GPU")
        raise InputError(where, "machine", found, f"a dma unit beside the GPU with the lanes {', '.join(DMA_LANES)}")
