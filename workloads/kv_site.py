"""Where keys and values lie, and who attends to them in decode."""

from __future__ import annotations

import numpy as np

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import Workload
from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.precisions import PartFormats

ATTENTION = Assumption(
    "kv-attention",
    "cheapest",
    ("cheapest", "gpu", "near-data"),
    "who attends in decode to keys and values that lie near the data: the GPU, reading them over its link; the cores "
    "beside them; or whichever is faster for the model at mid-run. TriMoE (arXiv 2603.01058) puts the cache into the "
    "DIMMs and does not say. For GQA models the GPU alone would spend more time on the link than all experts take; "
    "latent attention has a cache small enough to read and too much arithmetic for the DIMMs",
    "choice",
)
PAGE = Assumption(
    "kv-page-tokens",
    16,
    (1, 256),
    "tokens of one sequence whose keys and values in a layer lie in one run, where the cache lies near the data; pages "
    "of vLLM have 16. In the GPU's memory the cache counts as one run: measured attention kernels hold what pages cost",
)


def attention_units(
    machine: Machine, model: Model, workload: Workload, formats: PartFormats, assumptions: Assumptions
) -> tuple[str, ...]:
    """Units that attend near the data; none: the GPU reads the cache."""
    near = machine.near_data_units
    chosen = assumptions.choice(ATTENTION)
    if chosen == "gpu":
        return ()
    names = tuple(unit.name for unit in near)
    if chosen == "near-data":
        return names
    beside, travel, on_gpu = _attention_ps(machine, model, workload, formats)
    return names if beside + travel < on_gpu else ()


def _attention_ps(machine: Machine, model: Model, workload: Workload, formats: PartFormats) -> tuple[int, int, int]:
    """Decode attention of one layer at mid-run: beside the cache, the way there and back; on the GPU."""
    near, gpu = machine.near_data_units, machine.main_unit
    attention = model.attention
    seen = workload.decode_context + workload.output_tokens // 2
    cache = formats.kv.bytes_of(attention.kv_values_per_token) * workload.batch * seen
    each = -(-cache // len(near))
    on_gpu = time_alone_ps(machine, gpu.name, {unit.local_memory: each for unit in near})
    core = near[0]
    assert core.model is not None  # only a unit that copies has none
    sequences = -(-workload.batch // len(near))
    rows, several = sequences * workload.queries, attention.core.of_queries(workload.queries)
    busy = int(core.model.attention_ps(sequences, 1, seen, several))
    beside = time_alone_ps(machine, core.name, {core.local_memory: each}, busy, core.model.launch_ps)
    travel = sum(
        time_alone_ps(machine, gpu.name, {unit.local_memory: rows * size for unit in near})
        for size in attention.query_bytes(ACTIVATION_BYTES)
    )
    return beside, travel, on_gpu


def kv_memories(machine: Machine, place: str, where: object) -> tuple[str, ...]:
    """Memories the cache is dealt over; none: it lies in the GPU's memory. Raises `InputError` for ``near-data`` on a
    machine without such units.
    """
    if place == "gpu":
        return ()
    found = tuple(unit.local_memory for unit in machine.near_data_units)
    if not found:
        raise InputError(where, "kv_cache", place, "gpu (the machine has no NDP unit)")
    return found


def attention_window_ps(
    machine: Machine,
    model: Model,
    workload: Workload,
    formats: PartFormats,
    kv: tuple[str, ...],
    units: tuple[str, ...],
) -> tuple[int, int]:
    """Length of the window from a layer's begin to its gate at mid-run, and how long the GPU's link is
    taken in it: what hides other traffic. Estimated from what the parts cost alone."""
    gpu = machine.main_unit
    assert gpu.model is not None  # every GPU has one
    attention = model.attention
    inner, columns = np.array(attention.projections(model.hidden)).T
    busy = int(gpu.model.dense_ps(workload.tokens_per_step, inner, columns, formats.attention).sum())
    stored = formats.attention.bytes_of(attention.projection_weights(model.hidden))
    projections = time_alone_ps(machine, gpu.name, {gpu.local_memory: stored}, busy)
    seen = workload.decode_context + workload.output_tokens // 2
    if not kv:
        cache = formats.kv.bytes_of(attention.kv_values_per_token) * workload.batch * seen
        return projections + time_alone_ps(machine, gpu.name, {gpu.local_memory: cache}), 0
    beside, travel, on_gpu = _attention_ps(machine, model, workload, formats)
    return (projections + beside + travel, travel) if units else (max(projections, on_gpu), on_gpu)
