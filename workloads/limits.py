"""How large a run may be: refused before it fills the memory, not after."""

from __future__ import annotations

from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.quantity import format_quantity
from moe_cosim.workloads.models.model import Model

MOST_BYTES: Final = 64e9
"""Memory a run may be expected to need. Large beside any published setting: the longest run of the
first reproduction has 1.6 million events and needs 1.5 GB."""

BYTES_PER_EVENT: Final = 900
"""Plan, tables, sort keys and timeline; measured as peak memory, 580 to 930 (policies cxl-ndp and monde)."""
BYTES_PER_CHOICE: Final = 40
"""Of the routing: id and weight (6), and the columns made when they are counted."""
BYTES_PER_COUNT: Final = 25
"""Of a step, layer and expert: tokens (8), gate weight (8) and what policies keep beside them."""

_ALLOWED: Final = f"at most {format_quantity(MOST_BYTES, 'bytes')} of memory"
_MOST_KV_BYTES: Final = 1e18
"""No memory holds more; beyond it byte counts leave int64."""
_EVENTS_PER_LAYER: Final = 8
_EVENTS_PER_EXPERT: Final = 3
"""A kernel, and the waiting or moving that goes with it."""


def check_size(model: Model, workload: Workload, where: object) -> None:
    """Raise `InputError` for a workload that would need more than `MOST_BYTES`."""
    cells = workload.output_tokens * len(model.moe_layers)
    tokens = workload.batch * (workload.prompt_tokens + workload.decode_steps)
    asked = min(model.routed_experts, workload.batch * model.top_k)
    events = workload.output_tokens * model.layers * _EVENTS_PER_LAYER + cells * asked * _EVENTS_PER_EXPERT
    choices = tokens * len(model.moe_layers) * model.top_k
    needed = BYTES_PER_EVENT * events + BYTES_PER_CHOICE * choices + BYTES_PER_COUNT * cells * model.routed_experts
    kv_bytes = model.kv_bytes_per_token * workload.batch * workload.context_tokens
    if kv_bytes > _MOST_KV_BYTES:
        held = Plain(f"{format_quantity(kv_bytes, 'bytes')} of keys and values")
        raise InputError(where, "workload", held, f"at most {format_quantity(_MOST_KV_BYTES, 'bytes')}")
    if needed > MOST_BYTES:
        found = (
            f"about {events:.2g} events and {choices:.2g} expert choices, {format_quantity(needed, 'bytes')} of memory"
        )
        raise InputError(
            where, "workload", Plain(found), f"{_ALLOWED} (fewer output tokens, a smaller batch or prompt)"
        )


def check_routing_size(tokens: int, layers: int, top_k: int, where: object) -> None:
    """The same for routing alone: `tokens` of all sequences together."""
    choices = tokens * layers * top_k
    if choices * BYTES_PER_CHOICE > MOST_BYTES:
        found = f"{choices:.2g} expert choices, {format_quantity(choices * BYTES_PER_CHOICE, 'bytes')} of memory"
        raise InputError(where, "tokens", Plain(found), f"{_ALLOWED} (fewer sequences or tokens)")
