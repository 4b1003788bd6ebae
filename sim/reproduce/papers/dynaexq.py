"""DynaExq (arXiv 2511.15015): two precisions on one GPU against offloading, against one precision, and its parts.

Published: the speed-up at batch 32 is the abstract's ("up to"; over which baseline it does not say). Second-hand: the
parts' throughputs are those of the authors' manuscript (kexinchu/DynaQuant, ICCAD_2026_DynExq/05_evaluation.tex, table
of the component ablation), the times per token those of its scripts/latency.md; the repository itself lists them among
figures that no registered run supports yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

OURS: Final = "dynaexq-qwen3-30b-a3b"
RIVAL: Final = "lru-speculative-qwen3-30b-a3b-rtx-a6000"
BATCH: Final = 32
OUTPUT_TOKENS: Final = 256
UPDATE_STEPS: Final = 8
"""Of the parts: their runs must exchange experts in a few steps."""
_STEPS: Final = 64
_QUICK_STEPS: Final = 16
_PARTS: Final[dict[str, tuple[dict[str, Any], float]]] = {
    "precisions stay": ({"policy.adaptive": False}, 925 / 901),
    "without the margin": ({"policy.margin": 0.0}, 862 / 901),
    "layers wait for exchanges": ({"policy.blocking": True}, 790 / 901),
}
"""Settings, and tokens/s over those of the whole (Qwen3-30B, batch 32)."""
_ONE_PRECISION: Final = 9.28 / 8.10
"""Time per token over that of all experts at INT4, one sequence on an A6000."""


@registry.register("dynaexq")
class DynaExqReproduction(Reproduction):
    """Qwen3-30B-A3B on an RTX A6000."""

    title = "DynaExq (arXiv 2511.15015): hot experts at more bits, against offloading and its own parts"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "update_steps": (4, 8, 16),
        "rival_format": ("bf16", "int8"),
    }
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    update_steps = UPDATE_STEPS
    rival_format = "bf16"
    """Of the baseline's experts."""

    def runs(self) -> list[RunKey]:
        parts = (self._part(settings) for settings, _ in _PARTS.values())
        return [self._run(OURS), self._rival(), self._part({}), *parts, *(self._alone(n) for n in (0.0, 0.2))]

    def _run(self, name: str, **settings: Any) -> RunKey:
        steps = _QUICK_STEPS if self.quick else _STEPS
        size = {"workload.output_tokens": steps + 1, "workload.skipped_tokens": (OUTPUT_TOKENS - steps) // 2}
        return key(name, {**size, **settings})

    def _rival(self) -> RunKey:
        return self._run(RIVAL, **{"quantization.expert_format": self.rival_format})

    def _part(self, settings: Mapping[str, Any]) -> RunKey:
        return self._run(OURS, **{"policy.update_steps": self.update_steps, **settings})

    def _alone(self, high_share: float) -> RunKey:
        one = {"workload.batch": 1, "workload.prompt_tokens": 256, "policy.high_share": high_share}
        return self._run(OURS, **one)

    def cells(self, lookup: Lookup) -> list[Cell]:
        found = [_over_rival(lookup(self._run(OURS)), lookup(self._rival()))]
        whole = mean_step.decode_s(lookup(self._part({})))
        for name, (settings, published) in _PARTS.items():
            gain = whole / mean_step.decode_s(lookup(self._part(settings)))
            found.append(Cell("decode throughput over the whole system", name, published, gain))
        low, mixed = (mean_step.decode_s(lookup(self._alone(share))) for share in (0.0, 0.2))
        found.append(Cell("time per token, batch 1", "over all experts INT4", _ONE_PRECISION, mixed / low))
        return found

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("high_share", 0.1, {"ours": {"policy.high_share": 0.1}}),
            Variant("high_share", 0.3, {"ours": {"policy.high_share": 0.3}}),
            Variant("rival's prefetch", False, {"rival": {"policy.speculative": False}}),
            Variant("lru-speculation-accuracy", 1.0, {"rival": {"assumptions.lru-speculation-accuracy": 1.0}}),
            Variant("rival's experts", "int8", {"rival": {"quantization.expert_format": "int8"}}),
            Variant("routing seed", 1, {"ours": {"seed": 1}, "rival": {"seed": 1}}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        pair = (OURS, "ours"), (RIVAL, "rival")
        return [self._run(name, **variant.settings.get(whose, {})) for name, whose in pair]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        ours, rival = (lookup(run) for run in self.variant_runs(variant))
        return {"throughput over offloading": _over_rival(ours, rival).simulated}

    def notes(self) -> list[str]:
        steps = _QUICK_STEPS if self.quick else _STEPS
        return [
            f"2048 tokens in, {OUTPUT_TOKENS} out as published; {steps} decode steps in the middle are simulated, end "
            "to end is the prefill and that many times a step.",
            "The baseline is an LRU cache of FP16 experts that fetches ahead, in the same memory: the paper's own "
            "(ExpertFlow, MoE-Infinity) keep FP16 experts, too.",
            f"The parts exchange every {self.update_steps} steps, so that short runs have exchanges; the authors' "
            "configuration says 200 steps, after which next to nothing is moved in a steady trace.",
        ]


def _over_rival(ours: Result, rival: Result) -> Cell:
    times = [mean_step.end_to_end_s(each, OUTPUT_TOKENS) for each in (rival, ours)]
    return Cell(f"throughput, batch {BATCH}", "over offloading with prefetch (up to)", 2.73, times[0] / times[1])
