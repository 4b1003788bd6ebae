"""How many experts fit beside what a batching takes of the GPU's memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NoReturn

from moe_cosim.errors import InputError, Plain
from moe_cosim.options import option
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.batching.batching import MOST_MICRO_BATCHES, Batching, Outset
from moe_cosim.workloads.batching.places import cpu_of, host_memory
from moe_cosim.workloads.layout import ACTIVATION_BYTES, place_model
from moe_cosim.workloads.models.model import Model

_SPARE: Final = 1.2
"""What a framework's kernels take beyond their rows (caoshiyi/artifacts, fastmoe/backend/optimizer.py)."""


def memory_share_option() -> float:
    """The share of the GPU's memory that a system plans with."""
    share: float = option(
        0.86,
        "share of the GPU's memory that is planned with; the rest is the framework's (MoE-Lightning's optimizer: 0.86)",
        gt=0,
        le=1,
    )
    return share


def sizes_to_try(sizes: Iterable[int], batch: int) -> list[int]:
    """Micro-batches that a search has to try, in rising order: none larger than the batch, or so small that there
    would be too many of them."""
    return sorted({min(size, batch) for size in sizes if -(-batch // size) <= MOST_MICRO_BATCHES})


def refuse(outset: Outset, tried: str) -> NoReturn:
    """Raises `InputError`: no batching that was `tried` fits."""
    memory = outset.machine.main_unit.local_memory
    found = Plain(f"micro-batches of {tried} sequences")
    raise InputError(outset.where, f"room in {memory}", found, "fewer sequences or shorter prompts")


def kernel_rows_bytes(model: Model, tokens: int) -> int:
    """What the fused kernels of a layer's experts keep of so many tokens between their products: for each chosen expert
    a row as wide as the model, and three as wide as the expert (optimizer.py, as above: ``inter``)."""
    width = model.expert.hidden + 3 * model.expert.intermediate
    return int(_SPARE * ACTIVATION_BYTES * tokens * model.top_k * width)


def reserve_bytes(model: Model, capacity: int, planned_share: float, prompt_tokens: int) -> int:
    """What experts leave free of a GPU's memory of so many bytes: the framework's share, and kernels of a prompt's
    tokens that pass through a layer at a time."""
    return int((1 - planned_share) * capacity) + kernel_rows_bytes(model, prompt_tokens)


def free_bytes(outset: Outset, batching: Batching) -> int | None:
    """What `batching` leaves of the GPU's memory; None where it does not fit."""
    machine, name = outset.machine, outset.options.get("name")
    gpu_memory = machine.main_unit.local_memory
    host = host_memory(machine, name, outset.where)
    cpu = cpu_of(machine, name, outset.where) if batching.cpu_attention > 0 else None
    addresses = AddressMap(machine.memories, outset.where)
    try:
        place_model(
            outset.model,
            outset.workload,
            outset.quantization.parts,
            addresses,
            gpu_memory,
            [],
            batching=batching,
            host=host,
            cpu=cpu,
        )
    except InputError:
        return None
    return addresses.free_bytes(gpu_memory)


def experts_that_stay(free: int, layers: int, experts: int, expert_bytes: int) -> int | None:
    """The most experts of all layers together, dealt evenly, that fit into `free` bytes beside two buffers for the
    others of a layer; None where not even the buffers do."""
    size = aligned(expert_bytes)
    for count in range(layers * experts, -1, -1):
        loaded = experts - count // layers
        if (count + 2 * loaded) * size <= free:
            return count
    return None
