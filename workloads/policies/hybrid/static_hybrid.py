"""Experts that stay where they are put: some in the GPU's memory, the others on the host's cores.

Sources: ggml-org/llama.cpp (``--n-cpu-moe``, ``--override-tensor``): experts of the first layers stay in host memory
and are computed there, but for batches of 32 tokens or more, for which their weights are copied to the GPU;
kvcache-ai/ktransformers, kt-kernel (``--kt-num-gpu-experts``, ``--kt-gpu-experts-ratio``,
``--kt-expert-placement-strategy``, ``--kt-gpu-prefill-token-threshold``): a share of all experts on the GPU.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.resident_experts import ResidentExpertsPolicy, ResidentOptions
from moe_cosim.workloads.policies.parts.static_placement import Strategy, without_first_layers


class StaticHybridOptions(ResidentOptions):
    """Each as a flag of llama.cpp or KTransformers has it (the module says which)."""

    placement: Strategy = option("uniform", str(ResidentOptions.model_fields["placement"].description))
    gpu_share: float | None = option(
        None, "share of all experts in the GPU's memory, instead of gpu_experts", ge=0, le=1
    )
    cpu_layers: int | None = option(
        None,
        "experts of the first so many MoE layers on the host and all others on the GPU (llama.cpp's --n-cpu-moe), "
        "instead of gpu_experts and placement",
        unit="layers",
        ge=0,
    )
    prefill_gpu_threshold: int | None = option(
        None,
        "a step of so many tokens or more is computed on the GPU, to which the host's experts are copied for it "
        "(llama.cpp: 32); null: experts are always computed where they lie",
        unit="tokens",
        ge=1,
    )


@policies.register("static-hybrid")
class StaticHybrid(ResidentExpertsPolicy):
    """The same in prefill and decode. On a machine without a GPU all experts are the CPU's."""

    summary = "experts fixed on the GPU by share or whole layers, the others on the CPU (llama.cpp, kt-kernel)"
    homes = ("host", "cxl", "near-data", "mixed")
    needs_gpu = False
    system: ClassVar[str] = "static-hybrid"
    options_class = StaticHybridOptions
    options: StaticHybridOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        work, threshold = context.workload, self.options.prefill_gpu_threshold
        tokens = np.full(context.demand.steps, work.tokens_per_step, dtype=np.int64)
        tokens[0] = work.batch * work.prompt_tokens
        self._streams = np.zeros(len(tokens), dtype=np.bool_)
        if threshold is not None and context.has_gpu:
            self._streams = tokens >= threshold
        self.take_ring(weight_format, used=bool(self._streams.any()))
        cpu = self.plan.unit_index(context.require_cpu(self.system).name)
        self.take_places(self._held(weight_format), weight_format, cpu)

    def _held(self, weight_format: WeightFormat) -> NDArray[np.bool_]:
        options, demand = self.options, self.context.demand
        given = {name: getattr(options, name) for name in ("gpu_experts", "gpu_share", "cpu_layers")}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1:
            raise InputError(self.context.where, "policy", Plain(" and ".join(given)), "one of them")
        if options.cpu_layers is not None:
            return without_first_layers(demand.layers, demand.num_experts, options.cpu_layers)
        count = None
        if options.gpu_experts is not None:
            count = options.gpu_experts * demand.layers
        elif options.gpu_share is not None:
            count = round(options.gpu_share * demand.layers * demand.num_experts)
        return self.strategic(options.placement, count, weight_format)

    def passing(self, rows: DemandRows) -> NDArray[np.bool_]:
        """[rows] whether the expert's weights are copied to the GPU for this step."""
        return self._streams[rows.step] & ~self.is_held(rows)

    def plan_decode(self, rows: DemandRows) -> None:
        self.run(rows, self.passing(rows))
