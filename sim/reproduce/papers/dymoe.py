"""DyMoE (arXiv 2603.19172): Mixtral-8x7B on an RTX 3090, part by part, and against Fiddler.

Second-hand, from a summary of the paper: times per output token of its parts, and the largest speed-ups over Fiddler.
How much memory the parts' run had, and what else lay in it, it does not say. Two constants saw rows, which say so:
slots of a layer the cache's alone, the mean share of critical experts (the default) the whole's at 4/2 and 4/0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

OURS: Final = "dymoe-mixtral-8x7b"
ON_DEMAND: Final = "on-demand-mixtral-8x7b-rtx3090"
FIDDLER: Final = "fiddler-mixtral-8x7b-rtx3090"
CACHE_EXPERTS: Final = 3
"""Slots of a layer: what makes the cache alone take the published time."""
_STEPS: Final = 127
_QUICK_STEPS: Final = 16
_ONE_PRECISION: Final = {"policy.retention": 1.0}
_NO_PREFETCH: Final = {"policy.prefetch": False}
_PARTS: Final[dict[str, tuple[dict[str, Any], float]]] = {
    "cache (fitted)": ({**_ONE_PRECISION, **_NO_PREFETCH}, 0.1489),
    "cache, prefetch": (_ONE_PRECISION, 0.1315),
    "cache, 4/2": (_NO_PREFETCH, 0.1307),
    "all, 4/2 (fitted)": ({}, 0.1150),
    "all, 4/0 (fitted)": ({"policy.low_format": None}, 0.1048),
}
_WHOLE: Final = "all, 4/0 (fitted)"


@registry.register("dymoe")
class DyMoeReproduction(Reproduction):
    """One model at 4 bits; Fiddler at 16."""

    title = "DyMoE (arXiv 2603.19172): two precisions of offloaded experts on an RTX 3090, part by part"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"cache_experts": (2, 3, 4, 5)}
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    cache_experts = CACHE_EXPERTS

    def runs(self) -> list[RunKey]:
        return [self._run(ON_DEMAND), self._run(FIDDLER), *(self._part(name) for name in _PARTS)]

    def _run(self, name: str, **settings: Any) -> RunKey:
        return key(name, {"workload.output_tokens": (_QUICK_STEPS if self.quick else _STEPS) + 1, **settings})

    def _part(self, name: str, **settings: Any) -> RunKey:
        slots = {"policy.cache_experts": self.cache_experts}
        return self._run(OURS, **{**slots, **_PARTS[name][0], **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        figure = "time per output token, s"
        found = [Cell(figure, "on demand", 0.2795, decode_s(lookup(self._run(ON_DEMAND))))]
        found += [Cell(figure, name, row[1], decode_s(lookup(self._part(name)))) for name, row in _PARTS.items()]
        ours, fiddler = lookup(self._part(_WHOLE)), lookup(self._run(FIDDLER))
        first = fiddler.time_to_first_token_s / ours.time_to_first_token_s
        return [
            *found,
            Cell("over Fiddler (highest)", "time per output token", 14.58, decode_s(fiddler) / decode_s(ours)),
            Cell("over Fiddler (highest)", "time to first token", 22.7, first),
        ]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            *(Variant("cache_experts", slots, {"policy.cache_experts": slots}) for slots in (2, 4, 5)),
            *(Variant("retention", share, {"policy.retention": share}) for share in (0.5, 0.9)),
            *(Variant.assuming("dymoe-look-ahead-accuracy", value) for value in (0.5, 1.0)),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        """With a look ahead, at one precision or 4/2 and 4/0."""
        return [self._part(name, **self._applied(name, variant)) for name in list(_PARTS)[1:]]

    def _applied(self, name: str, variant: Variant) -> dict[str, Any]:
        """What a part lacks cannot be varied."""
        own = _PARTS[name][0]
        without = own.get("policy.prefetch") is False
        return {
            path: value
            for path, value in variant.settings.items()
            if path not in own and not (without and path.startswith("assumptions."))
        }

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        runs = zip(list(_PARTS)[1:], self.variant_runs(variant), strict=True)
        return {f"{name}, s": decode_s(lookup(run)) for name, run in runs}

    def notes(self) -> list[str]:
        return [
            "Batch 1 as published; 256 tokens in (ShareGPT's, no length is said), a step is the mean of those after "
            "them.",
            f"{self.cache_experts} experts of a layer are cached: the row of the cache alone chose that (with 16 GB "
            "and nothing else in them 5 fit). The mean share of critical experts, 0.75, is what the parts 4/2 and 4/0 "
            "say: 0.875 and 0.797 of the time at one precision.",
            "Fiddler computes in FP16; what its kernels take on a processor without AVX-512 nobody measured.",
        ]
