"""The routing of one experiment, as demand of its layers."""

from __future__ import annotations

import json
from typing import Any

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.experiment import Experiment
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.routing.routing import RoutingShape, routing_source
from moe_cosim.workloads.verify.decode_steps import I64, DecodeSteps
from moe_cosim.workloads.verify.regroup import ONE_BY_ONE, first_tokens, regrouped

_DEFAULT = object()
"""What an experiment sets an assumption to that it does not set."""
_LAST_DRAW: dict[str, tuple[Demand, dict[str, tuple[Any, Assumption]]]] = {}
"""The routing drawn last in this process: systems are compared on the same one, and large batches take
longer to draw than to simulate."""


def draw_demand(experiment: Experiment, model: Model, steps: DecodeSteps, assumptions: Assumptions) -> Demand:
    """Drawn anew unless everything that decides it is as the last time. Raises `InputError`."""
    first = first_tokens(steps, assumptions)
    shape = routing_shape(experiment, model, first)
    encoder = model.encoder_moe_layers if model.encoder_layers else None
    decided_by = [experiment.routing, *vars(shape).values(), encoder, model.identity_experts, experiment.seed]
    if experiment.workload.drafted_tokens:
        decided_by += [experiment.workload.queries, first.tolist()]
    chosen = json.dumps(decided_by, sort_keys=True, default=str)
    if chosen in _LAST_DRAW and "file" not in experiment.routing:
        demand, made = _LAST_DRAW[chosen]
        if all(experiment.assumptions.get(name, _DEFAULT) == value for name, (value, _) in made.items()):
            for _, assumption in made.values():
                assumptions.resolve(assumption)
            return demand
    before = {one.name for one in assumptions.used()}
    demand = _drawn(experiment, model, shape, first, encoder, assumptions)
    made = {
        one.name: (experiment.assumptions.get(one.name, _DEFAULT), one)
        for one in assumptions.used()
        if one.name not in before
    }
    _LAST_DRAW.clear()
    _LAST_DRAW[chosen] = demand, made
    return demand


def routing_shape(experiment: Experiment, model: Model, first: I64) -> RoutingShape:
    """How much routing a run needs whose steps verify the tokens from `first` [steps, sequences] on."""
    workload = experiment.workload
    return RoutingShape(
        layers=len(model.moe_layers),
        experts=model.router_experts,
        top_k=model.top_k,
        sequences=workload.batch,
        prompt_tokens=workload.prompt_tokens,
        # an encoder-decoder's first step decodes a token too, behind the encoder
        output_tokens=(int(first.max()) + workload.queries if first.size else 0) + (model.encoder_layers > 0),
        router_score=model.router_score,
    )


def _drawn(
    experiment: Experiment,
    model: Model,
    shape: RoutingShape,
    first: I64,
    encoder_layers: int | None,
    assumptions: Assumptions,
) -> Demand:
    source, queries = routing_source(experiment.routing, experiment.where), experiment.workload.queries
    routing = source.draw(shape, experiment.seed, assumptions)
    if queries > 1:
        routing = regrouped(routing, first, queries, experiment.where)
        if not source.follows_sequences:
            assumptions.resolve(ONE_BY_ONE)
    return Demand(routing, experiment.where, encoder_layers, model.identity_experts)
