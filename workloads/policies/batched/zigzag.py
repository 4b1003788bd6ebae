"""Shared by systems that go through micro-batches layer by layer, each layer's weights loaded once for all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from moe_cosim.options import Options, option
from moe_cosim.workloads.batching.batching import Batching, Outset
from moe_cosim.workloads.batching.places import host_memory
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, LayerTime, RooflineRates
from moe_cosim.workloads.policies.batched.room import (
    experts_that_stay,
    free_bytes,
    memory_share_option,
    refuse,
    reserve_bytes,
    sizes_to_try,
)
from moe_cosim.workloads.policies.parts.layer_stream import LayerStreamPolicy
from moe_cosim.workloads.policies.parts.static_placement import placed

SIZES: Final = (1, 2, 3, 4, *range(36, 1024, 32))
"""Micro-batches that the search of MoE-Lightning tries (caoshiyi/artifacts, fastmoe/backend/optimizer.py)."""


class ZigzagOptions(Options):
    micro_batch: int | None = option(
        None, "sequences that go through a layer at a time; null: searched by the cost model", unit="sequences", ge=1
    )
    gpu_weights: float | None = option(
        None, "share of the experts in the GPU's memory from the start; null: as many as fit", ge=0, le=1
    )
    gpu_memory_share: float = memory_share_option()


class Choice(NamedTuple):
    """A batching, the experts of all layers that stay beside it, and what a layer takes by the cost model."""

    batching: Batching
    experts: int
    time: LayerTime


class ZigzagPolicy(LayerStreamPolicy):
    """All dense weights stay in the GPU's memory, keys and values in the host's; of the experts a share stays, the
    others are loaded a layer ahead. Subclasses say who attends."""

    homes = ("host",)
    cpu_ahead: ClassVar[bool] = True
    experts_at_once: ClassVar[bool] = False
    options_class = ZigzagOptions
    options: ZigzagOptions

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        return cls.choice(outset).batching

    @classmethod
    @abstractmethod
    def cpu_shares(cls, options: Any) -> Sequence[float]:
        """Shares of the sequences to which the CPU attends: what the search may choose from. `options` are of the
        class that `options_class` names."""

    @classmethod
    def attention_apart(cls, options: Any) -> bool:
        """Whether attention and experts are layers of their own; `options` as above."""
        return False

    @classmethod
    def seconds(cls, time: LayerTime) -> float:
        """What the search minimises."""
        return time.whole

    @classmethod
    def choice(cls, outset: Outset) -> Choice:
        """The choice of the least time, of equals the first; `InputError` where none fits."""
        options, work = outset.read(cls.options_class), outset.workload
        rates = RooflineRates.of(outset.machine, host_memory(outset.machine, outset.options.get("name"), outset.where))
        costs = LayerCosts.of(outset.model, outset.quantization)
        layers, experts = len(outset.model.moe_layers), outset.model.routed_experts
        # as the artifact has them: keys of the whole output for who attends
        context = work.decode_context + work.output_tokens
        found: list[Choice] = []
        shares = cls.cpu_shares(options)
        sizes = [min(options.micro_batch, work.batch)] if options.micro_batch else sizes_to_try(SIZES, work.batch)
        for on_cpu in shares:
            if on_cpu and not outset.machine.host_units and 0 in shares:
                continue
            for size in sizes:
                batching = Batching(
                    kv_resident=0.0,
                    cpu_attention=on_cpu,
                    micro_batch=size,
                    experts_at_once=cls.experts_at_once,
                    attention_apart=cls.attention_apart(options),
                    cpu_ahead=cls.cpu_ahead,
                )
                stay = cls._stay(outset, batching, options)
                if stay is not None:
                    loaded = 1 - stay / (layers * experts)
                    runs = 1 if cls.experts_at_once else work.batch / max(batching.sizes(work.batch))
                    time = costs.layer_s(rates, work.batch, runs, context, loaded, on_cpu)
                    found.append(Choice(batching, stay, time))
        if not found:
            refuse(outset, str(options.micro_batch or f"1 to {SIZES[-1]}"))
        return min(found, key=lambda one: cls.seconds(one.time))

    @staticmethod
    def _stay(outset: Outset, batching: Batching, options: ZigzagOptions) -> int | None:
        free = free_bytes(outset, batching)
        if free is None:
            return None
        capacity = outset.machine.memories[outset.machine.main_unit.local_memory].capacity_bytes
        room = _Room(free, capacity, max(batching.sizes(outset.workload.batch)) * outset.workload.prompt_tokens)
        size = outset.quantization.expert_format.expert_bytes(outset.model.expert)
        return _staying(room, outset.model, size, options)

    def prepare(self) -> None:
        context, weight_format = self.context, self.context.quantization.expert_format
        layers, experts = context.demand.layers, context.demand.num_experts
        room = _Room(
            context.addresses.free_bytes(context.gpu_memory),
            context.capacity_bytes(context.gpu_memory),
            max(context.batching.sizes(context.workload.batch)) * context.workload.prompt_tokens,
        )
        stay = _staying(room, context.model, context.expert_bytes(weight_format), self.options)
        if stay is None:
            context.require_slots(0, 2 * experts, "two buffers of a layer's experts")
        self.take_layers(weight_format, placed("uniform", stay or 0, np.zeros((layers, experts), int), context.seed))


class _Room(NamedTuple):
    """Of the GPU's memory, and what else wants it."""

    free_bytes: int
    capacity_bytes: int
    prompt_tokens: int
    """That pass through a layer's experts at a time."""


def _staying(room: _Room, model: Model, expert_bytes: int, options: ZigzagOptions) -> int | None:
    """Experts of all layers that stay: the share that the options say, without a reserve, or as many as fit beside
    it. None where two buffers for the others do not fit."""
    layers, experts = len(model.moe_layers), model.routed_experts
    if options.gpu_weights is not None:
        stay = round(options.gpu_weights * layers * experts)
        most = experts_that_stay(room.free_bytes, layers, experts, expert_bytes)
        return None if most is None or most < stay else stay
    reserved = reserve_bytes(model, room.capacity_bytes, options.gpu_memory_share, room.prompt_tokens)
    return experts_that_stay(room.free_bytes - reserved, layers, experts, expert_bytes)
