"""The model that drafts: on which unit, and where its weights, keys and values lie beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.verify.draft_model import DraftModel, find_draft

FREE: Final = Assumption(
    "verify-draft",
    "free",
    ("free",),
    "drafting costs nothing, as where drafts are looked up in the prompt (n-grams); workload.verify.draft names a "
    "model that drafts, and the unit it runs on",
    "choice",
)


@dataclass(frozen=True)
class PlacedDraft:
    """Addresses are in the memory beside the unit; layers follow each other, each at a page of its own."""

    model: DraftModel
    unit: str
    attention: int
    feed_forward: int
    head: int
    kv: int
    attention_stride: int
    """Bytes from a layer to the next."""
    feed_forward_stride: int
    kv_stride: int


def place_draft(
    experiment: Experiment, machine: Machine, addresses: AddressMap, assumptions: Assumptions
) -> PlacedDraft | None:
    """None where nothing is drafted, or drafting is free. Raises `InputError` for an unknown unit or model, and for
    one that does not fit beside the unit."""
    work, where = experiment.workload, experiment.where
    chosen = work.verify.draft if work.verify else None
    if chosen is None:
        if work.drafted_tokens:
            assumptions.resolve(FREE)
        return None
    computing = [unit.name for unit in machine.units.values() if unit.model is not None]
    if chosen.unit not in computing:
        raise InputError(where, "workload.verify.draft.unit", chosen.unit, computing)
    model, memory = find_draft(chosen.model, where), machine.units[chosen.unit].local_memory
    if not work.drafted_tokens:
        return None
    layers, kept = model.num_hidden_layers, work.batch * (work.context_tokens + work.drafted_tokens)
    attention, feed_forward = aligned(model.attention_bytes), aligned(model.feed_forward_bytes)
    kv = aligned(kept * model.kv_bytes_per_token)
    tables = model.weight_bytes - layers * (model.attention_bytes + model.feed_forward_bytes)
    weights = addresses.take(
        "draft model's weights", memory, layers * (attention + feed_forward) + aligned(tables)
    ).address
    return PlacedDraft(
        model=model,
        unit=chosen.unit,
        attention=weights,
        feed_forward=weights + layers * attention,
        head=weights + layers * (attention + feed_forward),
        kv=addresses.take("draft model's keys and values", memory, layers * kv).address,
        attention_stride=attention,
        feed_forward_stride=feed_forward,
        kv_stride=kv,
    )
