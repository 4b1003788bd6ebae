"""Where dense weights, keys and values lie that the GPU's memory does not keep, and where they pass through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.batching.batching import Batching, Sequences

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class DenseHome:
    """The dense weights that are loaded for every step; arrays are [layers] of the model, sizes in bytes."""

    address: I64
    """In host memory: first what is loaded of the attention, behind it that of the feed-forward part."""
    attention_bytes: I64
    ffn_bytes: I64
    buffers: I64
    """[2] in the GPU's memory; layers take turns, through all steps."""
    head: int
    head_bytes: int
    head_buffer: int

    @property
    def layer_bytes(self) -> I64:
        """What is loaded of each layer in a step."""
        found: I64 = self.attention_bytes + self.ffn_bytes
        return found

    def buffer(self, step: I64, layer: I64) -> I64:
        """Where a layer of a step has what was loaded of it."""
        turn = (step * len(self.address) + layer) % 2
        found: I64 = self.buffers[turn]
        return found


@dataclass(frozen=True)
class KvHome:
    """Keys and values outside the GPU's memory, micro-batch after micro-batch in every layer."""

    address: I64
    """[layers] in host memory."""
    sequence_bytes: int
    """Room of one sequence in a layer."""
    buffers: I64
    """[2] in the GPU's memory; micro-batches take turns, through the layers of a step."""
    queries: I64 | None = None
    """[2] in host memory, in turns as they: what the CPU attends to of a prompt beside its keys and values, then what
    it has attended. None: the GPU attends to all prompts."""


@dataclass(frozen=True)
class HostPlaces:
    """None: nothing of that kind leaves the GPU's memory."""

    memory: str
    dense: DenseHome | None
    kv: KvHome | None
    cpu: str | None
    """The unit that attends to some sequences."""


def host_memory(machine: Machine, policy: object, where: object) -> str:
    """Where what is streamed lies: beside the CPU, else the first host memory; `InputError` where there is none."""
    beside = [unit.local_memory for unit in machine.host_units]
    found = [*beside, *(memory.name for memory in machine.memories.values() if memory.kind == "host")]
    if not found:
        raise InputError(where, "machine", machine.name, f"a machine with host memory (policy {policy})")
    return found[0]


def cpu_of(machine: Machine, policy: object, where: object) -> str:
    """The unit that attends at the host; `InputError` where there is none."""
    if not machine.host_units:
        raise InputError(where, "machine", machine.name, f"a machine with a CPU unit (policy {policy})")
    return machine.host_units[0].name


def place_dense(
    addresses: AddressMap, gpu_memory: str, memory: str, share: float, attention: I64, ffn: I64, head_bytes: int
) -> DenseHome:
    """Homes and buffers of the streamed `share` of so many bytes [layers] each."""
    attention_bytes, ffn_bytes = (np.floor(share * part).astype(np.int64) for part in (attention, ffn))
    sizes = attention_bytes + ffn_bytes
    address = np.array([addresses.take("dense weights", memory, int(size)).address for size in sizes], dtype=np.int64)
    each = aligned(int(sizes.max()))
    first = addresses.take("dense weights in turn", gpu_memory, 2 * each).address
    streamed_head = int(share * head_bytes)
    head = addresses.take("head", memory, streamed_head).address
    head_buffer = addresses.take("head in turn", gpu_memory, streamed_head).address
    buffers = np.array([first, first + each], dtype=np.int64)
    return DenseHome(address, attention_bytes, ffn_bytes, buffers, head, streamed_head, head_buffer)


def place_kv(
    addresses: AddressMap,
    gpu_memory: str,
    memory: str,
    parts: list[Sequences],
    layers: int,
    sequence_bytes: int,
    prompt_bytes: int,
    query_bytes: int = 0,
) -> KvHome:
    """Homes for the sequences of each micro-batch that leave the GPU, and two buffers of what passes through it: those
    it attends to with all their keys and values, in the prefill all of them with those of the prompt. Where the CPU
    attends to prompts, `query_bytes` a sequence go with them."""
    at_host = sum(part.at_host for part in parts)
    each = aligned(at_host * sequence_bytes)
    first = addresses.take("KV cache", memory, each * layers).address
    of_prompts = [part.at_host * prompt_bytes + part.on_cpu * query_bytes for part in parts]
    room = aligned(max(*(part.streamed * sequence_bytes for part in parts), *of_prompts))
    start = addresses.take("KV cache in turn", gpu_memory, 2 * room).address
    home = first + each * np.arange(layers, dtype=np.int64)
    buffers = np.array([start, start + room], dtype=np.int64)
    if not query_bytes:
        return KvHome(home, sequence_bytes, buffers)
    room = aligned(max(part.on_cpu for part in parts) * query_bytes)
    start = addresses.take("queries of prompts in turn", memory, 2 * room).address
    return KvHome(home, sequence_bytes, buffers, np.array([start, start + room], dtype=np.int64))


def needs_host(batching: Batching) -> bool:
    """Whether anything leaves the GPU's memory."""
    return batching.dense_resident < 1 or not batching.keeps_kv
