"""Klotski: GPU only; a group of batches shares each expert's way over the link, hot experts first.

Source: Fang et al., "Klotski" (ASPLOS 2025, arXiv 2502.06888). While the batches of a group attend one after the other,
the gate and the K hottest experts of their layer are prefetched; once the gates are known the others that are asked for
follow, and experts run on the tokens of all batches, those in the GPU's memory first, the others as they arrive (5,
algorithm 1). The group has the fewest batches that keep the GPU busy at four points (7, eq. 4 to 7: `smallest_group`).
Keys and values lie in host memory where `host_cache` says so (6.1). The experiment's batch is the group.

Inferred: times by the roofline (`hrm`) where the system measures them; the queue Q of eq. 7 is all experts that neither
stay nor are prefetched; those stay that the prompt asks for most. With `reorder` false (9.5, "only prefetch hot
experts") experts run for one batch after the other. Without prefetched experts those that stay stand for what its
prefetcher would fetch every step.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.options import EXPERTS, option
from moe_cosim.workloads.batching.batching import Batching, Outset
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.batched.room import reserve_bytes
from moe_cosim.workloads.policies.parts.cells import cell_of, order_in_cells, rank_in_cell, reordered, sum_in_cell
from moe_cosim.workloads.policies.parts.copies import Ahead
from moe_cosim.workloads.policies.parts.resident_experts import ResidentExpertsPolicy, ResidentOptions

HOT_ACCURACY: Final = Assumption(
    "klotski-hot-accuracy",
    0.5889,
    (0.0, 1.0),
    "how often a prefetched expert is one of the layer's hottest: 58.89 % on average (arXiv 2502.06888, 9.6); all of "
    "them are asked for",
)


class KlotskiOptions(ResidentOptions):
    batch_sequences: int | None = option(
        None,
        "sequences of one batch of the group, which attends batch by batch; null: the whole group at once",
        unit="sequences",
        ge=1,
    )
    host_cache: bool = option(False, "keys and values lie in host memory, and come to the GPU for each batch")
    prefetch_experts: int = option(
        0,
        "hot experts that are fetched while the group attends (the paper: as many as a token chooses); 0: those that "
        "stay stand for them",
        unit="experts",
        ge=0,
        at_most=EXPERTS,
    )
    reorder: bool = option(True, "experts run once for the whole group, those at hand first; false: batch by batch")
    gpu_memory_share: float = option(
        1.0,
        "share of the GPU's memory that is planned with where keys and values lie in host memory; the rest is the "
        "framework's",
        gt=0,
        le=1,
    )


class GroupTimes(NamedTuple):
    """Seconds in a layer of a group of batches, as in equations 4 to 7."""

    attention: float
    """Of all batches..."""
    gate: float
    """...as this."""
    hot: float
    """The prefetched experts' computation..."""
    others: float
    """...and that of the others."""
    gate_load: float
    expert_load: float
    """Of one expert."""
    attention_load: float
    prefetched: int
    queued: int
    """Experts that are fetched once the gate has asked for them."""

    @property
    def hides(self) -> bool:
        """Whether the GPU is busy until the gate (4), the hot experts (5), the first (6) and the last of the others and
        the next layer's attention (7) are there."""
        before = self.attention + self.gate
        hot_load = self.gate_load + self.prefetched * self.expert_load
        return (
            self.attention >= self.gate_load
            and before >= hot_load
            and before + self.hot >= hot_load + min(self.queued, 1) * self.expert_load
            and before + self.hot + self.others >= hot_load + self.queued * self.expert_load + self.attention_load
        )


def smallest_group(of_batches: Callable[[int], GroupTimes]) -> int:
    """The fewest batches that hide all loads; `of_batches` says what so many take."""
    return next(batches for batches in count(1) if of_batches(batches).hides)


@policies.register("klotski")
class Klotski(ResidentExpertsPolicy):
    """Of a layer some experts stay, some are prefetched while the group attends, the others follow its gate."""

    summary = "GPU only: resident experts first, the others stream over the link for the whole batch (ASPLOS 2025)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = KlotskiOptions
    assumptions = (HOT_ACCURACY,)
    options: KlotskiOptions

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        options = outset.read(KlotskiOptions)
        size = options.batch_sequences
        several = size is not None and size < outset.workload.batch
        return Batching(
            kv_resident=0.0 if options.host_cache else 1.0,
            micro_batch=size if several else None,
            experts_at_once=options.reorder or not several,
            attention_apart=several and not options.reorder,
        )

    def report(self) -> dict[str, float]:
        size, work = self.options.batch_sequences, self.context.workload
        if size is None:
            return {}
        found = smallest_group(lambda batches: self._group_times(batches, size))
        return {"batches of the group": -(-work.batch // size), "batches that hide the loads": found}

    def _group_times(self, batches: int, sequences: int) -> GroupTimes:
        """Of so many `batches` of so many `sequences` each, at mid-run."""
        context, machine, model = self.context, self.context.machine, self.context.model
        costs = LayerCosts.of(model, context.quantization)
        rates = RooflineRates.of(machine, context.home_memories[0])
        weights = context.quantization.parts.attention.bytes_of(model.attention.projection_weights(model.hidden))
        router_bytes = ACTIVATION_BYTES * model.router_weights
        projections, gate = (
            time_alone_ps(machine, context.gpu.name, {context.gpu_memory: size}) / 1e12
            for size in (weights, router_bytes)
        )
        seen = context.workload.decode_context + context.workload.output_tokens / 2
        layer = costs.layer_s(rates, batches * sequences, 1, seen, 0.0, 0.0)
        outside = model.routed_experts * (1 - float(self.held.mean()))
        prefetched = min(self.options.prefetch_experts, round(outside))
        each = layer.experts / model.routed_experts
        return GroupTimes(
            attention=layer.attention + batches * projections,
            gate=batches * gate,
            hot=(model.routed_experts - outside + prefetched) * each,
            others=(outside - prefetched) * each,
            gate_load=0.0,  # gates and attention stay in the GPU's memory
            expert_load=costs.expert_bytes / model.routed_experts / rates.link_bytes_per_s,
            attention_load=0.0,
            prefetched=prefetched,
            queued=round(outside) - prefetched,
        )

    def prepare(self) -> None:
        context, weight_format = self.context, self.context.quantization.expert_format
        self.take_ring(weight_format)
        slots = context.gpu_slots("prefetched experts", weight_format, self.options.prefetch_experts)
        self._hot = np.array(slots, np.int64)
        held = self.strategic(self.options.placement, self._residents(), weight_format)
        self.take_places(held, weight_format, self.plan.unit_index(context.gpu.name))
        accuracy = context.number(HOT_ACCURACY) if len(self._hot) else 1.0
        self._right = accuracy, np.random.Generator(np.random.PCG64(np.random.SeedSequence([context.seed, 0x407])))

    def _residents(self) -> int | None:
        """Experts of all layers that stay; None: as many as fit. Beside a cache in host memory room is left for the
        framework and its kernels."""
        context, options = self.context, self.options
        if options.gpu_experts is not None:
            return options.gpu_experts * context.demand.layers
        if not options.host_cache:
            return None
        weight_format = context.quantization.expert_format
        tokens = max(context.batching.sizes(context.workload.batch)) * context.workload.prompt_tokens
        capacity = context.capacity_bytes(context.gpu_memory)
        reserved = reserve_bytes(context.model, capacity, options.gpu_memory_share, tokens)
        return max(context.gpu_slots_that_fit(weight_format) - -(-reserved // context.expert_bytes(weight_format)), 0)

    def plan_decode(self, rows: DemandRows) -> None:
        held = self.is_held(rows)
        prefetched = self._prefetched(rows, held)
        order = order_in_cells(rows, ~held, ~prefetched, -rows.tokens)
        turns, held, prefetched = reordered(rows, order), held[order], prefetched[order]
        early = np.flatnonzero(prefetched)
        slot = (rank_in_cell(turns) - sum_in_cell(held, turns)[cell_of(turns)])[early]
        self.run(turns, ~held & ~prefetched, ahead=Ahead(early, self._hot[slot]))

    def _prefetched(self, rows: DemandRows, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """[rows] of those that are not `held` [rows] the ones that come while their layer attends: of each cell the
        hottest, or by mistake others."""
        found = np.zeros(len(held), np.bool_)
        accuracy, draws = self._right
        for first, last in pairwise(rows.starts.tolist() if len(self._hot) else ()):
            outside = first + np.flatnonzero(~held[first:last])
            by_heat = outside[np.argsort(-rows.tokens[outside], kind="stable")]
            hottest, others = np.split(by_heat, [min(len(self._hot), len(by_heat))])
            wrong = np.flatnonzero(draws.random(len(hottest)) >= accuracy)[: len(others)]
            hottest[wrong] = draws.choice(others, len(wrong), replace=False)
            found[hottest] = True
        return found
