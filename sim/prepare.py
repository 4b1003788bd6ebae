"""From an experiment to everything an engine needs: machine and program, and what they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hw_models.build import build_machine
from hw_models.machine import Machine
from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain, one_of
from sim.experiment import Experiment
from workloads.address_map import AddressMap
from workloads.demand import Demand
from workloads.layout import place_model
from workloads.lowering import lower
from workloads.models.find import find_model
from workloads.models.model import Model
from workloads.plan import Plan, PlanBuilder
from workloads.policies.base import Policy, policies
from workloads.policies.context import Context, Quantization
from workloads.program import Program
from workloads.quantization.formats import find_format
from workloads.quantization.losses import LossTable, read_losses, synthetic_losses
from workloads.routing.routing import Routing, RoutingShape, routing_source

HOST_OVERHEAD = Assumption(
    "host-overhead-per-layer",
    "150 us",
    ("0 ns", "400 us"),
    "GPU time lost per layer to the host launching kernels one by one. An eager PyTorch Mixtral layer launches about "
    "45 kernels outside the experts; at 5 us each that is 225 us, of which the GPU works about 75; with CUDA graphs "
    "about 0. The published absolute decode rates of Mixtral-8x22B (arXiv 2512.04476) leave 150 us",
    "ps",
)


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


def draw_routing(experiment: Experiment, model: Model, assumptions: Assumptions) -> Routing:
    """The routing of an experiment: the same for every policy, so that comparisons are paired."""
    work = experiment.workload.workload()
    shape = RoutingShape(
        layers=len(model.moe_layers),
        experts=model.routed_experts,
        top_k=model.top_k,
        sequences=work.batch,
        prompt_tokens=work.prompt_tokens,
        output_tokens=work.decode_steps,
    )
    return routing_source(experiment.routing, experiment.where).draw(shape, experiment.seed, assumptions)


def prepare(experiment: Experiment, folder: Path = Path()) -> Prepared:
    """Build, route, plan and lower. Raises `InputError` for an experiment that cannot be."""
    where = experiment.where
    assumptions = Assumptions(experiment.assumptions, where)
    machine = build_machine(experiment.machine.use, assumptions, experiment.machine.set)
    _require_gpu(machine, where)
    model = find_model(experiment.model, where)
    if model.encoder_layers:
        raise InputError(where, "model", model.name, "a decoder-only model (encoder layers are not lowered)")
    workload = experiment.workload.workload()
    routing = draw_routing(experiment, model, assumptions)
    demand = Demand(routing)
    quantization = _quantization(experiment, model, assumptions)
    addresses = AddressMap(machine.memories, where)
    gpu_memory = machine.units_of_kind("gpu")[0].local_memory
    near = [unit.local_memory for unit in machine.units_of_kind("ndp")]
    layout = place_model(model, workload, quantization.dense_format, addresses, gpu_memory, near)
    builder = PlanBuilder(tuple(unit.name for unit in machine.units.values() if unit.model is not None))
    context = Context(
        machine, model, workload, demand, quantization, assumptions, addresses, builder, experiment.seed, where
    )
    policy = _policy(experiment, context)
    for step in range(demand.steps):
        for layer_demand in demand.step(step):
            builder.at(step, layer_demand.layer)
            policy.plan_layer(layer_demand)
    plan = builder.build()
    host_ps = round(assumptions.number(HOST_OVERHEAD))
    program = lower(machine, model, workload, layout, plan, host_ps)
    assumptions.check_all_settings_used()
    return Prepared(
        experiment,
        machine,
        model,
        routing,
        demand,
        policy,
        plan,
        program,
        addresses,
        quantization,
        assumptions.used(),
    )


def _policy(experiment: Experiment, context: Context) -> Policy:
    options = dict(experiment.policy)
    if "name" not in options:
        raise InputError(experiment.where, "policy.name", Plain("nothing"), one_of(policies.names()))
    chosen = policies.get(str(options.pop("name")), experiment.where, "policy.name")
    return chosen(context, options)


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
    return read_losses(Path(source), model)


def _require_gpu(machine: Machine, where: str) -> None:
    if not machine.units_of_kind("gpu"):
        raise InputError(where, "machine", machine.name, "a machine with a GPU")
