"""Where a dense model's weights, keys and values lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.address_map import AddressMap
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.neurons.model import NeuronModel

SPARE: Final = 0.25
"""Of the room for neurons beside each unit, what is left for those that move there."""
STAGED_LAYERS: Final = 2
"""Layers of weights that the prefill has on their way or in use: one is computed while the next arrives."""


@dataclass(frozen=True)
class NeuronLayout:
    """Addresses. All weights lie beside the units; the GPU's memory has the projections and room for hot neurons."""

    projection: NDArray[np.int64]
    """[layers] in the GPU's memory."""
    embedding: int
    head: int
    hot: int
    """In the GPU's memory: neurons, and during the prefill the layers on their way."""
    hot_bytes: int
    weights: NDArray[np.int64]
    """[layers, units] beside each unit: a layer's neurons, then its part of the projection."""
    weight_room: int
    """Bytes of a layer beside each unit."""
    kv: NDArray[np.int64]
    """[layers, units] heads are dealt over the units."""
    scratch: NDArray[np.int64]
    """[units] activations."""
    gpu_scratch: int


def place_neurons(
    machine: Machine, model: NeuronModel, experiment: Experiment, near: tuple[Unit, ...], addresses: AddressMap
) -> NeuronLayout:
    """Give out the regions; `InputError` where they do not fit."""
    work, gpu = experiment.workload, machine.main_unit.local_memory
    layers, count = model.layers, len(near)

    def per_layer(name: str, memory: str, size: int) -> list[int]:
        start = addresses.take(name, memory, size * layers).address
        return [start + size * layer for layer in range(layers)]

    embedding = addresses.take("embedding", gpu, model.table_bytes).address
    head = embedding if model.tied_embeddings else addresses.take("head", gpu, model.table_bytes).address
    projection = per_layer("projections", gpu, model.projection_bytes)
    rows = work.batch * max(work.prompt_tokens, 1)
    widest = ACTIVATION_BYTES * rows * max(block.neurons for block in model.blocks)
    gpu_scratch = addresses.take("activations", gpu, widest).address
    room = -(-round((1 + SPARE) * model.layer_bytes) // count)
    kv = -(-model.kv_bytes_per_token * work.batch * work.context_tokens // count)
    places = {
        unit.name: (
            per_layer("weights", unit.local_memory, room),
            per_layer("KV cache", unit.local_memory, kv),
            addresses.take("activations", unit.local_memory, widest).address,
        )
        for unit in near
    }
    weights, caches, scratch = zip(*(places[unit.name] for unit in near), strict=True)
    hot_bytes = addresses.free_bytes(gpu) // 4096 * 4096
    largest = STAGED_LAYERS * model.layer_bytes
    if hot_bytes < largest:
        raise InputError(experiment.where, f"weights in {gpu}", hot_bytes, f"room for {largest} bytes, two layers")
    return NeuronLayout(
        np.array(projection, np.int64),
        embedding,
        head,
        addresses.take("hot neurons", gpu, hot_bytes).address,
        hot_bytes,
        np.array(weights, np.int64).T,
        room,
        np.array(caches, np.int64).T,
        np.array(scratch, np.int64),
        gpu_scratch,
    )
