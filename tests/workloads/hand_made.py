"""Small scenarios written by hand: routing as lists, a model of a few layers, any machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import FP16, find_format
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.software import find_software
from moe_cosim.workloads.batching.batching import WHOLE, Outset, check_batching
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.policies.base import Policy, policy_class
from moe_cosim.workloads.prepare import lowering_of, policy_of
from moe_cosim.workloads.programs.program import Program
from moe_cosim.workloads.quantization.losses import LossTable, synthetic_losses
from moe_cosim.workloads.quantization.precisions import PartFormats, Quantization
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.scenario import Scenario, place
from moe_cosim.workloads.verify.decode_steps import DecodeSteps

Chosen = Sequence[int]
"""Experts of one token, the strongest first."""


@dataclass(frozen=True)
class Decided:
    """A scenario, and what one policy made of it."""

    experiment: Experiment
    scenario: Scenario
    policy: Policy
    plan: Plan


def model(layers: int, experts: int, top_k: int, **changed: Any) -> Model:
    """MoE layers only, a 6 MiB expert at 16 bits."""
    fields: dict[str, Any] = {
        "name": "hand-made",
        "hf_id": "",
        "hidden": 1024,
        "layers": layers,
        "attention": Attention("gqa", heads=8, kv_heads=2, head_dim=128),
        "vocab": 1000,
        "tied_embeddings": False,
        "routed_experts": experts,
        "top_k": top_k,
        "expert": ExpertShape(1024, 1024),
        "shared_intermediate": 0,
        "dense_intermediate": 0,
        "moe_layers": tuple(range(layers)),
        "norm_topk_prob": True,
        "router_score": "softmax",
        "source": "this test",
    }
    return Model(**(fields | changed))


def routing(
    prompt: Sequence[Sequence[Chosen]],
    decode: Sequence[Sequence[Chosen]],
    experts: int,
    weights: Mapping[int, float] | None = None,
) -> Routing:
    """Of one sequence: `prompt` [tokens][layers] and `decode` [steps][layers] of chosen experts.

    `weights` gives each expert's raw gate weight (default 1); a token's are scaled to sum to 1.
    """
    layers, k = len(prompt[0]), len(prompt[0][0])
    first = np.array(prompt, dtype=np.uint16).reshape(1, -1, layers, k)
    rest = np.array(decode, dtype=np.uint16).reshape(-1, 1, layers, k)
    raw = np.array([(weights or {}).get(expert, 1.0) for expert in range(experts)])

    def scaled(chosen: NDArray[np.uint16]) -> NDArray[np.float32]:
        return (raw[chosen] / raw[chosen].sum(axis=-1, keepdims=True)).astype(np.float32)

    found = Routing(first, scaled(first), rest, scaled(rest), experts, "by hand")
    found.validate()
    return found


def scenario(
    routed: Routing,
    policy: str = "by hand",
    options: Mapping[str, Any] | None = None,
    machine: str = "h100-cxl-ndp",
    machine_set: Mapping[str, Any] | None = None,
    assumptions: Mapping[str, Any] | None = None,
    average_bits: float | None = None,
    losses: LossTable | None = None,
    of_model: Model | None = None,
    expert_format: str = "fp16",
    software: str = "eager",
) -> tuple[Experiment, Scenario]:
    """An experiment that names `policy`, and what that is confronted with."""
    sequences, prompt_tokens, layers, k = routed.prefill_experts.shape
    workload = {
        "batch": sequences,
        "prompt_tokens": prompt_tokens,
        "output_tokens": len(routed.decode_experts) + 1,
    }
    experiment = Experiment(
        name="by hand",
        machine={"use": machine},
        model="by hand",
        routing={"source": "by hand"},
        workload=workload,
        policy={"name": policy, **(options or {})},
        software=software,
    )
    resolved = Assumptions(assumptions)
    quantization = Quantization(
        find_format(expert_format),
        PartFormats(*[FP16] * 5),
        average_bits,
        "prefix",
        losses or synthetic_losses(layers, routed.num_experts, 0, resolved),
    )
    built = _machine(machine, tuple((machine_set or {}).items()), tuple((assumptions or {}).items()))
    chosen_model = of_model or model(layers, routed.num_experts, k)
    batching = WHOLE
    if policy != "by hand" and built.has_gpu:
        outset = Outset(
            built, chosen_model, experiment.workload, quantization, resolved, experiment.policy, experiment.where
        )
        batching = policy_class(experiment).batching(outset)
        check_batching(batching, outset)
    addresses, layout = place(built, chosen_model, experiment, quantization, resolved, batching)
    return experiment, Scenario(
        built,
        chosen_model,
        experiment.workload,
        Demand(routed),
        quantization,
        find_software(experiment.software, resolved, experiment.where),
        resolved,
        addresses,
        layout,
        DecodeSteps.plain(experiment.workload),
        experiment.seed,
        experiment.where,
    )


def decided(routed: Routing, policy: str, options: Mapping[str, Any] | None = None, **more: Any) -> Decided:
    """What `policy` makes of `routed`; further arguments as `scenario` takes them."""
    experiment, confronted = scenario(routed, policy, options, **more)
    return Decided(experiment, confronted, *decide(experiment, confronted))


def decide(experiment: Experiment, scenario: Scenario) -> tuple[Policy, Plan]:
    """The experiment's policy, and what it decides for all steps."""
    policy = policy_of(experiment, scenario)
    policy.plan_steps(0, scenario.demand.steps)
    return policy, policy.plan.take()


def lower_plan(scenario: Scenario, plan: Plan, hooks: tuple[str, ...] = ()) -> Program:
    """The events of a plan for all steps."""
    return lowering_of(scenario, hooks).lower(plan, 0, scenario.demand.steps)


@cache
def _machine(name: str, changed: tuple[tuple[str, Any], ...], assumed: tuple[tuple[str, Any], ...]) -> Machine:
    return build_machine(name, Assumptions(dict(assumed)), dict(changed))


def one_layer(prompt: Sequence[Chosen], decode: Sequence[Chosen], experts: int, **more: Any) -> Routing:
    """`routing` of a model with one layer."""
    return routing([[token] for token in prompt], [[token] for token in decode], experts, **more)


def dense_bytes(routed: Routing) -> int:
    """What everything but the routed experts takes of the GPU's memory in these scenarios."""
    found = decided(routed, "monde", assumptions={"monde-migration": "floor"})
    staging = sum(region.size_bytes for region in found.scenario.addresses.regions if region.name == "staging area")
    return found.scenario.addresses.used_bytes("gpu.hbm") - staging


def fetched(plan: Plan) -> list[tuple[int, int, int]]:
    """(step, layer of the expert, expert) of every move on demand, in order."""
    moves = plan.moves[~plan.moves["prefetch"]]
    return [(int(move["step"]), int(move["of_layer"]), int(move["expert"])) for move in moves]


def hits(plan: Plan) -> int:
    """Runs on a copy that the same layer of the same step did not have to fetch."""
    runs = plan.runs[plan.runs["move"] >= 0]
    moves = plan.moves[runs["move"]]
    return int(((moves["step"] != runs["step"]) | (moves["layer"] != runs["layer"])).sum())
