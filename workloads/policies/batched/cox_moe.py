"""CoX-MoE: experts once for the whole batch, on the GPU and the CPU side by side; attention of prompts on the CPU.

Source: "CoX-MoE" (DAC 2026, arXiv 2605.17889): coalesced experts in three sets (resident, loaded, on the CPU), the
placement of attention, an exhaustive search of both and of the micro-batch under the GPU's memory by the latency of a
layer (`cox_cost`), and the most activated experts of a sample of the prompts stay resident.

Inferred: projections stay on the GPU, where they take a hundredth of a layer. In decode the CPU attends, as in both of
the paper's baselines. The prefill and decode have the same resident experts, but split the others as suits each; the
search weighs them as the run has them (one prefill, a step for each further token). The sample: sequences of the batch
drawn evenly, which have clusters in the proportion in which the paper takes prototypes; its clustering sees embeddings,
which are not modelled. Of those that do not stay the least activated are the CPU's. Without `coalesced` experts run on
the GPU behind each micro-batch, as MoE-Lightning's do. Experts gather their rows one after the other, so a prompt's
token has room once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.options import Options, option
from moe_cosim.workloads.address_map import aligned
from moe_cosim.workloads.batching.batching import Batching, Outset
from moe_cosim.workloads.batching.places import cpu_of, host_memory
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.cox_cost import CoxCosts, Phase
from moe_cosim.workloads.policies.batched.hrm import RooflineRates
from moe_cosim.workloads.policies.batched.room import (
    free_bytes,
    kernel_rows_bytes,
    memory_share_option,
    refuse,
    sizes_to_try,
)
from moe_cosim.workloads.policies.parts.layer_stream import LayerStreamPolicy

SCORE_BYTES: Final = Assumption(
    "attention-score-bytes",
    2.0,
    (0.0, 6.0),
    "what attention on the GPU keeps in its memory of each pair of a prompt's tokens and each head. CoX-MoE (arXiv "
    "2605.17889) finds 84.6 % of the memory to be intermediate data of it, so its kernels are not fused (which would "
    "be 0): 16-bit scores; 6 with a 32-bit softmax beside them",
)


class CoxMoeOptions(Options):
    coalesced: bool = option(
        True, "experts run once for the whole batch, with the CPU; false: on the GPU, behind each micro-batch"
    )
    cpu_attention: bool | None = option(None, "whether the CPU attends to prompts; null: searched by the cost model")
    hot_set: Literal["clustered", "random"] = option(
        "clustered", "experts that stay on the GPU: those that a sample of the prompts activates most, or drawn"
    )
    prototypes: int = option(64, "sequences of the sample", unit="sequences", ge=1)
    micro_batch: int | None = option(
        None, "sequences that attend at a time; null: searched by the cost model", unit="sequences", ge=1
    )
    output_tokens: int | None = option(
        None, "tokens of output by which the search weighs decode; null: those of the run", unit="tokens", ge=1
    )
    gpu_memory_share: float = memory_share_option()


class Split(NamedTuple):
    """Of the experts, and what the run takes by the cost model."""

    resident: int
    """Of all layers together, dealt evenly."""
    loaded_in_prefill: int
    """Of each layer; what is neither is the CPU's."""
    loaded: int
    """Of each layer, in a decode step."""
    seconds: float


@policies.register("cox-moe")
class CoxMoe(LayerStreamPolicy):
    """Its search is exhaustive: micro-batches (powers of two), who attends to prompts, every split of the experts."""

    summary = "experts once for the whole batch on GPU and CPU, attention of prompts on the CPU (arXiv 2605.17889)"
    homes = ("host",)
    options_class = CoxMoeOptions
    options: CoxMoeOptions

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        return cls.choice(outset)[0]

    @classmethod
    def choice(cls, outset: Outset) -> tuple[Batching, Split]:
        """The choice of the least time, of equals the first; `InputError` where none fits."""
        options = outset.read(CoxMoeOptions)
        cpu_of(outset.machine, outset.options.get("name"), outset.where)
        found = []
        for batching in _batchings(options, outset.workload.batch, outset.assumptions.number(SCORE_BYTES)):
            free = free_bytes(outset, batching)
            split = None if free is None else split_of(outset, options, batching, free)
            if split is not None:
                found.append((batching, split))
        if not found:
            refuse(outset, str(options.micro_batch or "any number of"))
        return min(found, key=lambda one: one[1].seconds)

    def prepare(self) -> None:
        context, demand = self.context, self.context.demand
        free = context.addresses.free_bytes(context.gpu_memory)
        outset = Outset(
            context.machine,
            context.model,
            context.workload,
            context.quantization,
            context.assumptions,
            {"name": "cox-moe", **self.options.model_dump()},
            context.where,
        )
        split = split_of(outset, self.options, context.batching, free)
        if split is None:
            context.require_slots(0, 2, "a buffer of two layers' experts")
            return
        rank = _ranks(self._activations())
        resident = split.resident // demand.layers + (np.arange(demand.layers) < split.resident % demand.layers)
        held = self._held = rank < resident[:, None]
        on_cpu, prompt_on_cpu = (
            ~held & (rank >= resident[:, None] + loaded) for loaded in (split.loaded, split.loaded_in_prefill)
        )
        self.take_layers(context.quantization.expert_format, held, on_cpu, prompt_on_cpu)

    def report(self) -> dict[str, float]:
        """What the paper says of its hot set: the share of the GPU's memory, and of decode's choices, that it has."""
        context, rows = self.context, self.context.demand.rows(1, self.context.demand.steps)
        size = int(self._held.sum()) * context.expert_bytes(context.quantization.expert_format)
        found = {"share of the GPU's memory that experts stay in": size / context.capacity_bytes(context.gpu_memory)}
        if len(rows.tokens):
            hits = rows.tokens[self._held[rows.layer, rows.expert]].sum() / rows.tokens.sum()
            found["share of choices whose expert stays"] = float(hits)
        return found

    def _activations(self) -> NDArray[np.int64]:
        """[layers, experts] how often the sample's prompts choose each expert; or in no order."""
        context, demand = self.context, self.context.demand
        size = demand.layers, demand.num_experts
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([context.seed, 0xC0C5])))
        if self.options.hot_set == "random":
            return rng.permuted(np.broadcast_to(np.arange(size[1]), size), axis=1)
        batch = context.workload.batch
        chosen = np.sort(rng.permutation(batch)[: self.options.prototypes])
        routed = demand.routing.prefill_experts[chosen]
        counts = [np.bincount(routed[:, :, layer].ravel(), minlength=size[1])[: size[1]] for layer in range(size[0])]
        return np.array(counts, dtype=np.int64)


def _batchings(options: CoxMoeOptions, batch: int, score_bytes: float) -> Iterator[Batching]:
    """What the search chooses from: who attends to prompts, and micro-batches."""
    powers = (2**power for power in range((batch - 1).bit_length() + 1))
    sizes = [min(options.micro_batch, batch)] if options.micro_batch else sizes_to_try(powers, batch)
    for on_cpu in (True, False) if options.cpu_attention is None else (options.cpu_attention,):
        for size in sizes:
            yield Batching(
                kv_resident=0.0,
                cpu_attention=1.0,
                micro_batch=size,
                experts_at_once=options.coalesced,
                prompt_score_bytes=score_bytes,
                rows_per_token=1 if options.coalesced else None,
                cpu_prefill=on_cpu,
            )


def split_of(outset: Outset, options: CoxMoeOptions, batching: Batching, free: int) -> Split | None:
    """The best one beside `batching`, which leaves so many bytes of the GPU's memory; None where none fits."""
    model, work = outset.model, outset.workload
    layers, experts = len(model.moe_layers), model.routed_experts
    rates = RooflineRates.of(outset.machine, host_memory(outset.machine, outset.options.get("name"), outset.where))
    costs = CoxCosts.of(rates, model, outset.quantization, batching.prompt_score_bytes)
    slots = (free - _reserved(outset, options, batching)) // aligned(int(costs.expert_bytes))
    prefill, decode = phases(outset, batching)
    steps = (options.output_tokens or work.output_tokens) - 1
    attention_s = costs.attention_s(prefill, batching.cpu_prefill) + steps * costs.attention_s(decode, True)
    runs = batching.expert_parts(work.batch)
    best: Split | None = None
    for most in range(experts + 1):  # loaded at a time
        resident = min(slots - 2 * most, layers * (experts - most))
        if resident < 0:
            break
        each = resident / layers
        loaded = np.arange(most + 1, dtype=np.float64)
        if not options.coalesced:
            loaded = loaded[loaded + resident // layers >= experts]
        if not len(loaded):
            continue
        times = [costs.experts_s(phase, each, loaded, runs) for phase in (prefill, decode)]
        first, rest = (int(loaded[np.argmin(time)]) for time in times)
        seconds = attention_s + float(times[0].min()) + steps * float(times[1].min())
        if best is None or seconds < best.seconds:
            best = Split(resident, first, rest, seconds)
    return best


def phases(outset: Outset, batching: Batching) -> tuple[Phase, Phase]:
    """The prefill, and the decode step in the middle of the run."""
    work = outset.workload
    tokens, count = work.batch * work.prompt_tokens, len(batching.sizes(work.batch))
    seen = work.decode_context + work.output_tokens / 2
    return (
        Phase(tokens, work.prompt_tokens / 2, tokens, count, is_prompt=True),
        Phase(work.batch, seen, work.batch * seen, count, is_prompt=False),
    )


def _reserved(outset: Outset, options: CoxMoeOptions, batching: Batching) -> int:
    """Bytes of the GPU's memory that neither experts nor regions have: the framework's, and rows of the experts'
    kernels."""
    model, work, memory = outset.model, outset.workload, outset.machine.main_unit.local_memory
    sequences = batching.sizes(work.batch)[0]
    rows = kernel_rows_bytes(model, sequences * work.prompt_tokens)
    if options.coalesced:  # one expert at a time
        rows //= model.routed_experts
    return int((1 - options.gpu_memory_share) * outset.machine.memories[memory].capacity_bytes) + rows


def _ranks(activations: NDArray[np.int64]) -> NDArray[np.int64]:
    """[layers, experts] 0 for the most activated expert of a layer, and so on; of equals the lower one first."""
    order = np.argsort(-activations, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")
