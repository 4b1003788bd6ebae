"""Speculating Experts (arXiv 2603.19289): Qwen3-30B-A3B on an RTX A6000, against fetching experts on demand.

Published: time per token at four lengths of context (figure 8; the values are second-hand, of a summary in a public
repository; the paper's text says 9 to 14 % less), BF16, nothing cached, YALIS with CUDA graphs. No constant is fitted.
"""

from __future__ import annotations

from typing import Any, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

_PUBLISHED_MS: Final = {1024: (158.9, 144.4), 4096: (159.7, 145.7), 16384: (160.2, 145.7), 65536: (169.4, 146.0)}
"""By tokens of context: on demand, and speculated."""
_STEPS: Final = 32
_QUICK_STEPS: Final = 4
_PROMPT_TOKENS: Final = 64


@registry.register("speculating-experts")
class SpeculatingExpertsReproduction(Reproduction):
    """Two systems at four lengths."""

    title = "Speculating Experts (arXiv 2603.19289) against on-demand fetching, Qwen3-30B-A3B, RTX A6000"
    cost_model = "units"

    def runs(self) -> list[RunKey]:
        return [self._run(system, length) for length in _PUBLISHED_MS for system in ("on-demand", "experts")]

    def _run(self, system: str, length: int, **settings: Any) -> RunKey:
        steps = _QUICK_STEPS if self.quick else _STEPS
        size = {
            "workload.prompt_tokens": _PROMPT_TOKENS,
            "workload.output_tokens": steps + 1,
            "workload.skipped_tokens": length - _PROMPT_TOKENS - steps // 2,
        }
        return key(f"speculating-{system}-qwen3-30b-a3b", {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        found, ratios = [], []
        for length, (on_demand_ms, speculated_ms) in _PUBLISHED_MS.items():
            waiting, ahead = (1e3 * decode_s(lookup(self._run(one, length))) for one in ("on-demand", "experts"))
            found.append(Cell("ms per token", f"on demand, {length} tokens", on_demand_ms, waiting))
            found.append(Cell("ms per token", f"speculated, {length} tokens", speculated_ms, ahead))
            ratios.append(Cell("of on demand", f"{length} tokens", speculated_ms / on_demand_ms, ahead / waiting))
        return [*found, ratios[0], ratios[-1]]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("guesses are executed", "no", {"policy.execute": False}),
            Variant.assuming("graph-step", "0 ns"),
            Variant.assuming("dma-window", "64 KB"),
            Variant("software", "eager", {"software": "eager"}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        own = {name: value for name, value in variant.settings.items() if name != "policy.execute"}
        return [self._run("on-demand", 1024, **own), self._run("experts", 1024, **variant.settings)]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        waiting, ahead = (decode_s(lookup(run)) for run in self.variant_runs(variant))
        return {"ms per token, on demand": 1e3 * waiting, "ms per token, speculated": 1e3 * ahead}

    def notes(self) -> list[str]:
        return [
            f"Batch 1; {_QUICK_STEPS if self.quick else _STEPS} decode steps around each length are simulated.",
            "Guesses that are wrong are computed as the paper does; their time is that of right ones.",
        ]
