"""MoE-Infinity (arXiv 2401.14361) on its own testbed, an RTX A5000, against Mixtral-offloading and on-demand fetching.

Published: seconds per token of Mixtral-8x7B and DeepSeek-V2-Lite, and of Mixtral-offloading (README of
EfficientMoE/MoE-Infinity since commit cca059c; the paper's third version says 0.736 for Mixtral, second-hand). At that
commit the calls of its prefetcher are commented out for both models, so the runs beside these rows fetch nothing ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

MIXTRAL: Final = "mixtral-8x7b"
DEEPSEEK: Final = "deepseek-v2-lite"
_PUBLISHED_S: Final = {MIXTRAL: 0.736, DEEPSEEK: 0.155}
_OFFLOADING_S: Final = 1.752
"""Mixtral-offloading, Mixtral-8x7B."""
_STEPS: Final = 128
_QUICK_STEPS: Final = 32


@registry.register("moe-infinity")
class MoeInfinityReproduction(Reproduction):
    """Three systems on two models."""

    title = "MoE-Infinity (arXiv 2401.14361) against Mixtral-offloading and on-demand fetching, RTX A5000"
    cost_model = "units"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"prefetch_experts": (0, 1, 2)}
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    prefetch_experts = 0
    """As at the commit that the rows are of."""

    def runs(self) -> list[RunKey]:
        return [
            *(self._run(model) for model in (MIXTRAL, DEEPSEEK)),
            self._run(MIXTRAL, "lru"),
            self._run(MIXTRAL, "on-demand"),
        ]

    def _run(self, model: str, rival: str | None = None, **settings: Any) -> RunKey:
        steps = _QUICK_STEPS if self.quick else _STEPS
        size = {"workload.output_tokens": steps + 1}
        if rival is not None:
            return key(f"infinity-{rival}-{model}", {**size, **settings})
        return key(f"moe-infinity-{model}", {**size, "policy.prefetch_experts": self.prefetch_experts, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        own = {model: decode_s(lookup(self._run(model))) for model in _PUBLISHED_S}
        figure = "seconds per token"
        return [
            Cell(figure, f"{DEEPSEEK} (fitted)", _PUBLISHED_S[DEEPSEEK], own[DEEPSEEK]),
            Cell(figure, MIXTRAL, _PUBLISHED_S[MIXTRAL], own[MIXTRAL]),
            Cell(
                "speed-up, mixtral-8x7b",
                "over Mixtral-offloading",
                _OFFLOADING_S / _PUBLISHED_S[MIXTRAL],
                decode_s(lookup(self._run(MIXTRAL, "lru"))) / own[MIXTRAL],
            ),
        ]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("experts fetched ahead in a layer", 1, {"policy.prefetch_experts": 1}),
            Variant.assuming("infinity-collection", 0),
            Variant.assuming("infinity-cache-share", 1.0),
            Variant.assuming("moe-infinity-dispatch", "0 ns"),
            Variant.assuming("host-overhead-per-layer", "1.6 ms"),
            Variant("prompt tokens", 512, {"workload.prompt_tokens": 512}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._run(model, **variant.settings) for model in _PUBLISHED_S]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        return {
            f"seconds per token, {model}": decode_s(lookup(self._run(model, **variant.settings)))
            for model in _PUBLISHED_S
        }

    def notes(self) -> list[str]:
        steps = _QUICK_STEPS if self.quick else _STEPS
        return [
            f"128 tokens in, {steps} decoded, batch 1; published: a mixture of LongBench, GSM8K, FLAN, BIG-Bench and "
            "MMLU whose lengths are not given.",
            "One constant is fitted, on the row of DeepSeek-V2-Lite: what handing one expert to its thread takes.",
            "Past requests are further sequences of the run's own router; which the authors collected is not said.",
            "Mixtral-offloading here holds 16-bit experts, as MoE-Infinity does; its own are of 2 to 4 bits, unpacked "
            "by PyTorch kernels that nothing here models: the published order holds, the factor is not comparable.",
        ]
