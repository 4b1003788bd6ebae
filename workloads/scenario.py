"""What a policy is confronted with, drawn from an experiment: the same for every policy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, Workload
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.software import Software, find_software
from moe_cosim.workloads.address_map import AddressMap
from moe_cosim.workloads.batching.batching import WHOLE, Batching, Outset, check_batching
from moe_cosim.workloads.batching.places import cpu_of, host_memory, needs_host
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.draw import draw_demand
from moe_cosim.workloads.kv_site import PAGE, attention_units, kv_memories
from moe_cosim.workloads.layout import ModelLayout, place_model
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.past import PastRequests
from moe_cosim.workloads.quantization.precisions import Quantization, quantization_of
from moe_cosim.workloads.verify.acceptance import decode_steps
from moe_cosim.workloads.verify.decode_steps import DecodeSteps
from moe_cosim.workloads.verify.draft import PlacedDraft, place_draft

_PLACED: Final[deque[tuple[object, AddressMap, ModelLayout]]] = deque(maxlen=1)
"""By what decides it, the layout made last in this process, and the addresses after it: points of a sweep share it."""


@dataclass(frozen=True)
class Scenario:
    """A machine, a model, what is asked of them, and where all but the experts lies.

    `addresses` is given out once: one scenario serves one policy.
    """

    machine: Machine
    model: Model
    workload: Workload
    demand: Demand
    """The routing, and who is asked for by it."""
    quantization: Quantization
    software: Software
    assumptions: Assumptions
    addresses: AddressMap
    layout: ModelLayout
    decode: DecodeSteps
    seed: int
    where: object = "experiment"
    """What error messages call the experiment."""
    draft: PlacedDraft | None = None
    """The model that drafts; None: drafting costs nothing."""
    past: Callable[[int], NDArray[np.float32]] | None = None
    """[requests, MoE layers, experts] of so many other requests, how often each chose each expert
    (`PastRequests.counts`); None: nobody knows.
    """
    past_runs: Callable[[int], list[Demand]] | None = None
    """What so many further runs ask of their layers (`PastRequests.runs`); None: nobody knows."""


def draw(experiment: Experiment, declared: Callable[[Outset], Batching] = lambda outset: WHOLE) -> Scenario:
    """Build the machine, lay out the model by the `declared` batching of its policy, draw the routing. Raises
    `InputError` for what cannot be."""
    where = experiment.where
    assumptions = Assumptions(experiment.assumptions, where)
    machine = machine_of(experiment, assumptions)
    model = find_model(experiment.model, where)
    quantization = quantization_of(experiment, model, assumptions)
    software = find_software(experiment.software, assumptions, where)
    machine = software.on(machine)
    check_size(model, experiment.workload, where)
    _note_context(model, experiment.workload, assumptions)
    _check_verified(model, experiment)
    decode = decode_steps(experiment)
    # before the routing is drawn, for what it refuses
    outset = Outset(machine, model, experiment.workload, quantization, assumptions, experiment.policy, where)
    batching = declared(outset) if machine.has_gpu else WHOLE  # whoever streams needs one, and says so
    check_batching(batching, outset)
    addresses, layout = place(machine, model, experiment, quantization, assumptions, batching)
    draft = place_draft(experiment, machine, addresses, assumptions)
    demand = draw_demand(experiment, model, decode, assumptions)
    past = PastRequests(experiment, model, decode, assumptions)
    return Scenario(
        machine,
        model,
        experiment.workload,
        demand,
        quantization,
        software,
        assumptions,
        addresses,
        layout,
        decode,
        experiment.seed,
        where,
        draft,
        past.counts,
        past.runs,
    )


def _check_verified(model: Model, experiment: Experiment) -> None:
    """`InputError` for a model whose tokens cannot be taken back."""
    if not experiment.workload.drafted_tokens:
        return
    allowed = "a decoder whose layers keep keys and values: of a rejected token they are written over"
    if model.encoder_layers:
        raise InputError(experiment.where, "workload.verify", Plain(f"{model.name}, which has an encoder"), allowed)
    if any(attention.state_values for attention in model.attentions):
        found = Plain(f"{model.name}, whose layers keep a state of all tokens")
        raise InputError(experiment.where, "workload.verify", found, allowed)


def _note_context(model: Model, workload: Workload, assumptions: Assumptions) -> None:
    """Sequences longer than the model was made for run, as publications let them, and the result says so."""
    reached = max(workload.prompt_tokens, model.cached_tokens(workload))
    if model.context_length is None or reached <= model.context_length:
        return
    said = (
        f"a sequence reaches {reached} tokens and the model was made for {model.context_length} "
        "(max_position_embeddings): costs are those of longer attention, what it would answer is unknown"
    )
    assumptions.resolve(Assumption("beyond-context-length", "run", ("run",), said, "choice"))


def place(
    machine: Machine,
    model: Model,
    experiment: Experiment,
    quantization: Quantization,
    assumptions: Assumptions,
    batching: Batching = WHOLE,
) -> tuple[AddressMap, ModelLayout]:
    """Addresses of all but the experts, of which more may be taken; `InputError` where they do not fit."""
    if experiment.kv_cache != "gpu":  # who attends hangs on costs and on an assumption
        return _place(machine, model, experiment, quantization, assumptions, batching)
    decided_by = machine, model, experiment.workload, quantization.parts, batching
    if not _PLACED or _PLACED[-1][0] != decided_by:
        _PLACED.append((decided_by, *_place(machine, model, experiment, quantization, assumptions, batching)))
    _, addresses, layout = _PLACED[-1]
    return addresses.copied(experiment.where), layout


def _place(
    machine: Machine,
    model: Model,
    experiment: Experiment,
    quantization: Quantization,
    assumptions: Assumptions,
    batching: Batching,
) -> tuple[AddressMap, ModelLayout]:
    workload = experiment.workload
    addresses = AddressMap(machine.memories, experiment.where)
    gpu_memory = machine.main_unit.local_memory
    beside = (*machine.near_data_units, *machine.host_units)
    others = [unit.local_memory for unit in beside if unit.local_memory != gpu_memory]
    kv = kv_memories(machine, experiment.kv_cache, experiment.where)
    if kv and not model.has_plain_attention:
        raise InputError(
            experiment.where, "kv_cache", experiment.kv_cache, f"gpu ({model.name} does not attend alike in all layers)"
        )
    policy = experiment.policy.get("name")
    if kv and batching != WHOLE:
        allowed = f"gpu (policy {policy} says itself where keys and values lie)"
        raise InputError(experiment.where, "kv_cache", experiment.kv_cache, allowed)
    host = host_memory(machine, policy, experiment.where) if needs_host(batching) else None
    cpu = cpu_of(machine, policy, experiment.where) if batching.cpu_attention > 0 else None
    attending = attention_units(machine, model, workload, quantization.parts, assumptions) if kv else ()
    page_tokens = int(assumptions.number(PAGE)) if kv else 0
    layout = place_model(
        model,
        workload,
        quantization.parts,
        addresses,
        gpu_memory,
        others,
        kv,
        attending,
        page_tokens,
        batching,
        host,
        cpu,
    )
    return addresses, layout
