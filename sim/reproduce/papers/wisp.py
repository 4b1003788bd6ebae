"""WiSP (arXiv 2606.21868): Qwen3-30B-A3B in BF16 on an RTX 3090, against vLLM's static offload.

Published (second-hand, of summaries of the paper in public repositories): tokens/s with 8 and 16 slots a layer, the
same with prefetching, the least and largest gain over static offload at the same memory, and how many experts a token
shares with the one before. The stack is vLLM without CUDA graphs: `host-overhead-per-layer` is at the upper end of its
range. No constant is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

_PUBLISHED: Final = {8: 5.47, 16: 6.94}
"""Tokens/s by slots a layer."""
_PREFETCHING: Final = {8: 3.37, 16: 2.79}
_GAINS: Final = {"lowest": 1.58, "highest": 2.01}
_CARRIED_OVER: Final = 0.46
"""44 to 48 %: what 8 slots, as many as a token has experts, hold of the next token's."""
_SLOTS: Final = (8, 16, 32)
"""Of the comparison (scripts/m3_3090_isovram_sweep.sh)."""
_STEPS: Final = 64
_QUICK_STEPS: Final = 8
_LINK_ALONE: Final = {"assumptions.host-overhead-per-layer": "0 ns"}
"""A link that never waits for the host: what the paper says of prefetching is said of that."""


@registry.register("wisp")
class WispReproduction(Reproduction):
    """The pager, with and without prefetching, and static offload."""

    title = "WiSP (arXiv 2606.21868) against static offload, Qwen3-30B-A3B, RTX 3090"
    cost_model = "units"
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"prompt_tokens": (64, 256, 512, 1024)}
    prompt_tokens = 64

    def runs(self) -> list[RunKey]:
        return [
            *(self._paged(slots) for slots in _SLOTS),
            *(self._static(slots) for slots in _SLOTS),
            *(self._paged(slots, **_LINK_ALONE) for slots in _PREFETCHING),
            *(self._paged(slots, **_LINK_ALONE, **{"policy.prefetch": True}) for slots in _PREFETCHING),
        ]

    def _paged(self, slots: int, **settings: Any) -> RunKey:
        return self._run("wisp", {"policy.cache_experts": slots, **settings})

    def _static(self, slots: int, **settings: Any) -> RunKey:
        """As many experts on the GPU."""
        return self._run("wisp-static", {"policy.gpu_experts": slots, **settings})

    def _run(self, experiment: str, settings: dict[str, Any]) -> RunKey:
        steps = _QUICK_STEPS if self.quick else _STEPS
        return key(
            f"{experiment}-qwen3-30b-a3b",
            {"workload.prompt_tokens": self.prompt_tokens, "workload.output_tokens": steps + 1, **settings},
        )

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(run: RunKey) -> float:
            return 1 / decode_s(lookup(run))

        gains = [rate(self._paged(slots)) / rate(self._static(slots)) for slots in _SLOTS]
        found = [
            Cell("tokens/s", f"{slots} slots a layer", published, rate(self._paged(slots)))
            for slots, published in _PUBLISHED.items()
        ]
        figure = "over static offload, same memory"
        found.append(Cell(figure, "lowest", _GAINS["lowest"], min(gains)))
        found.append(Cell(figure, "highest", _GAINS["highest"], max(gains)))
        for slots, published in _PREFETCHING.items():
            ahead = self._paged(slots, **_LINK_ALONE, **{"policy.prefetch": True})
            kept = rate(ahead) / rate(self._paged(slots, **_LINK_ALONE))
            found.append(Cell("with prefetching, of without", f"{slots} slots", published / _PUBLISHED[slots], kept))
        hit_rate = lookup(self._paged(8)).experts.hit_rate or 0.0
        found.append(Cell("experts that the token before had", "8 slots", _CARRIED_OVER, hit_rate))
        return found

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant.assuming("host-overhead-per-layer", "225 us"),
            Variant.assuming("wisp-prediction-accuracy", 1.0),
            Variant("prompt tokens", 512, {"workload.prompt_tokens": 512}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        own = {name: value for name, value in variant.settings.items() if "wisp" not in name}
        ahead = {**_LINK_ALONE, "policy.prefetch": True, **variant.settings}
        return [self._paged(16, **own), self._static(16, **own), self._paged(16, **{**ahead, **_LINK_ALONE})]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        paged, static, ahead = (1 / decode_s(lookup(run)) for run in self.variant_runs(variant))
        return {
            "tokens/s, 16 slots": paged,
            "over static offload, 16 slots": paged / static,
            "tokens/s, 16 slots, prefetching, no host time": ahead,
        }

    def notes(self) -> list[str]:
        return [
            f"{self.prompt_tokens} tokens in, {_QUICK_STEPS if self.quick else _STEPS} decoded, batch 1; its prompts "
            "are not known.",
            "Static offload reads the chosen experts of offloaded layers over the link; vLLM reads their attention's "
            "weights too (1.5 GB a token more), which is not modelled.",
            "Prefetching is compared without the host's time: the paper says that the link limits it. Its predictor, "
            "in Python, takes no time here.",
        ]
