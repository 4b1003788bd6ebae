"""Klotski: GPU only; a group of batches shares each expert's way over the link, hot experts first.

Source: Fang et al., "Klotski" (ASPLOS 2025, arXiv 2502.06888): the smallest number n of batches is grouped whose
computation hides a layer's loads; experts in the GPU's memory run first, hot ones are prefetched while the layer before
runs, the others run in the order in which they arrive. The experiment's batch is the group: with `batch_sequences` it
attends batch by batch, and the result says how many batches would hide the loads.

Inferred: n by the roofline (`hrm`): n times a batch's attention, and the experts on the tokens of n batches, against
the experts of a layer that do not stay, all asked for.
"""

from __future__ import annotations

from itertools import count

from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.options import option
from moe_cosim.workloads.batching.batching import WHOLE, Batching, Outset
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.hrm import LayerCosts, RooflineRates
from moe_cosim.workloads.policies.parts.cells import order_in_cells, reordered
from moe_cosim.workloads.policies.parts.resident_experts import ResidentExpertsPolicy, ResidentOptions


class KlotskiOptions(ResidentOptions):
    batch_sequences: int | None = option(
        None,
        "sequences of one batch of the group, which attends batch by batch; null: the whole group at once",
        unit="sequences",
        ge=1,
    )


def smallest_group(
    costs: LayerCosts, rates: RooflineRates, sequences: int, context: float, projections_s: float, loaded: float
) -> int:
    """Batches of so many `sequences` of `context` tokens whose computation in a layer takes no less than loading the
    share `loaded` of its experts; `projections_s` are those of one batch."""
    load_s = loaded * costs.expert_bytes / rates.link_bytes_per_s
    for batches in count(1):
        time = costs.layer_s(rates, batches * sequences, 1, context, 0.0, 0.0)
        if batches * projections_s + time.gpu >= load_s:
            return batches
    raise AssertionError("more batches take longer")


@policies.register("klotski")
class Klotski(ResidentExpertsPolicy):
    """The experts that stay are what its prefetcher would fetch every step, so they need no traffic;
    all others stream."""

    summary = "GPU only: resident experts first, the others stream over the link for the whole batch (ASPLOS 2025)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = KlotskiOptions
    options: KlotskiOptions

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        size = outset.read(KlotskiOptions).batch_sequences
        return WHOLE if size is None or size >= outset.workload.batch else Batching(micro_batch=size)

    def report(self) -> dict[str, float]:
        size, work = self.options.batch_sequences, self.context.workload
        if size is None:
            return {}
        return {"batches of the group": -(-work.batch // size), "batches that hide the loads": self._hiding(size)}

    def _hiding(self, sequences: int) -> int:
        context, machine, model = self.context, self.context.machine, self.context.model
        costs = LayerCosts.of(model, context.quantization)
        rates = RooflineRates.of(machine, context.home_memories[0])
        weights = context.quantization.parts.attention.bytes_of(model.attention.projection_weights(model.hidden))
        projections_s = time_alone_ps(machine, context.gpu.name, {context.gpu_memory: weights}) / 1e12
        seen = context.workload.decode_context + context.workload.output_tokens / 2
        return smallest_group(costs, rates, sequences, seen, projections_s, 1 - float(self.held.mean()))

    def prepare(self) -> None:
        weight_format = self.context.quantization.expert_format
        self.take_ring(weight_format)
        self.take_resident(self.options, weight_format, self.plan.unit_index(self.context.gpu.name))

    def plan_decode(self, rows: DemandRows) -> None:
        resident_first = reordered(rows, order_in_cells(rows, ~self.is_held(rows), -rows.tokens))
        self.run(resident_first, passing=~self.is_held(resident_first))
