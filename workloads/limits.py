"""How large a run may be: refused before it fills the memory, not after.

Events do not count: they are made and forgotten block by block. The routing of a run is there as a whole.
"""

from __future__ import annotations

import math
import os
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.quantity import format_quantity
from moe_cosim.workloads.models.model import Model

BYTES_PER_CHOICE: Final = 20
"""Of the routing: id and weight (6), and where every choice of a layer is another expert's, the columns made when
they are counted: expert, tokens, gate weight (14)."""
BYTES_PER_CELL: Final = 8
"""Of a step and layer: where its columns start."""

_MOST_KV_BYTES: Final = 1e18
"""No memory holds more; beyond it byte counts leave int64."""


def check_size(model: Model, workload: Workload, where: object) -> None:
    """Raise `InputError` for a workload whose routing would not fit this computer's memory."""
    kv_bytes = model.kv_bytes_per_token * workload.batch * workload.context_tokens
    if kv_bytes > _MOST_KV_BYTES:
        held = Plain(f"{format_quantity(kv_bytes, 'bytes')} of keys and values")
        raise InputError(where, "workload", held, f"at most {format_quantity(_MOST_KV_BYTES, 'bytes')}")
    _check(*_choices_and_cells(model, workload), where, "workload", "fewer output tokens, a smaller batch or prompt")


def routing_bytes(model: Model, workload: Workload) -> int:
    """Memory of a run's routing, at most."""
    choices, cells = _choices_and_cells(model, workload)
    return BYTES_PER_CHOICE * choices + BYTES_PER_CELL * cells


def check_routing_size(tokens: int, layers: int, top_k: int, where: object) -> None:
    """The same for routing alone: `tokens` of all sequences together."""
    _check(tokens * layers * top_k, 0, where, "tokens", "fewer sequences or tokens")


def memory_bytes() -> float:
    """Of this computer; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _choices_and_cells(model: Model, workload: Workload) -> tuple[int, int]:
    layers = len(model.moe_layers)
    tokens = workload.batch * (workload.prompt_tokens + workload.decoded_tokens * workload.queries)
    return tokens * layers * model.top_k, workload.output_tokens * layers


def _check(choices: int, cells: int, where: object, field: str, instead: str) -> None:
    needed, there = BYTES_PER_CHOICE * choices + BYTES_PER_CELL * cells, memory_bytes()
    if needed > there:
        found = f"{choices:.2g} expert choices, {format_quantity(needed, 'bytes')} of memory"
        allowed = f"at most the {format_quantity(there, 'bytes')} of memory of this computer ({instead})"
        raise InputError(where, field, Plain(found), allowed)
