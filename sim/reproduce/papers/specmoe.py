"""SpecMoE (arXiv 2604.10152): Mixtral-8x7B on an H100 over PCIe 5, against fetching on demand.

Second-hand, from a summary of the paper: 2.17 times the throughput of on-demand fetching on Mixtral-8x7B, at a batch, a
number of drafted tokens and of draft experts that it does not say; on NLLB-MoE (batch 256, 10 drafted tokens, 4 of 128
experts) draft experts that follow what is hot give 1.143 times the throughput of drawn ones with 7.265 tokens a step
against 6.812, the prompt's 1.084 with 7.220. Steps of encoder-decoders do not verify several tokens here, so NLLB-MoE
itself, and its 4.30 times, are out of reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

OURS: Final = "specmoe-mixtral-8x7b"
ON_DEMAND: Final = "on-demand-mixtral-8x7b"
BATCHES: Final = (1, 16)
ACCEPTANCE: Final = 0.84
DRAFT_TOKENS: Final = 5
_PROMPT_TOKENS: Final = 128
_OUTPUT_TOKENS: Final = 64
_QUICK_OUTPUT_TOKENS: Final = 16
_BY_CHOICE: Final = {"temporal": 1.143 / (7.265 / 6.812), "global": 1.084 / (7.220 / 6.812)}
"""Throughput over drawn draft experts, at equal tokens a step."""


@registry.register("specmoe")
class SpecMoeReproduction(Reproduction):
    """One sequence, and a batch."""

    title = "SpecMoE (arXiv 2604.10152): a model that drafts with a few of its own experts, against fetching on demand"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "acceptance": (0.7, 0.8, ACCEPTANCE, 0.9, 0.95),
        "draft_tokens": (3, DRAFT_TOKENS, 7, 10),
        "draft_experts": (1, 2),
    }
    acceptance = ACCEPTANCE
    draft_tokens = DRAFT_TOKENS
    draft_experts = 2

    def runs(self) -> list[RunKey]:
        whole = (self._run(name, batch) for batch in BATCHES for name in (OURS, ON_DEMAND))
        return [*whole, *(self._run(OURS, 1, **{"policy.follow": follow}) for follow in ("random", "global"))]

    def _run(self, name: str, batch: int, **settings: Any) -> RunKey:
        size: dict[str, Any] = {
            "workload.batch": batch,
            "workload.prompt_tokens": _PROMPT_TOKENS,
            "workload.output_tokens": _QUICK_OUTPUT_TOKENS if self.quick else _OUTPUT_TOKENS,
        }
        if name == ON_DEMAND:
            size["machine.use"] = "h100-host-pcie5"
        else:
            size["workload.verify.acceptance"] = self.acceptance
            size["workload.verify.draft_tokens"] = self.draft_tokens
            size["policy.draft_experts"] = self.draft_experts
        return key(name, {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(name: str, batch: int, **settings: Any) -> float:
            return lookup(self._run(name, batch, **settings)).decode_tokens_per_s or 0.0

        figure = "throughput over on demand (batch not said)"
        found = [Cell(figure, f"batch {b}", 2.17, rate(OURS, b) / rate(ON_DEMAND, b)) for b in BATCHES]
        drawn = rate(OURS, 1, **{"policy.follow": "random"})
        others = {"temporal": rate(OURS, 1), "global": rate(OURS, 1, **{"policy.follow": "global"})}
        figure = "throughput over drawn draft experts, same tokens a step"
        return [*found, *(Cell(figure, name, _BY_CHOICE[name], each / drawn) for name, each in others.items())]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            *(Variant("acceptance", chance, {"workload.verify.acceptance": chance}) for chance in (0.7, 0.95)),
            *(Variant("draft_tokens", count, {"workload.verify.draft_tokens": count}) for count in (3, 10)),
            Variant.assuming("verify-rejected-routing", "further"),
            Variant("draft_experts", 1, {"policy.draft_experts": 1}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        seed = {name: value for name, value in variant.settings.items() if name == "seed"}
        return [
            run
            for batch in BATCHES
            for run in (self._run(OURS, batch, **variant.settings), self._run(ON_DEMAND, batch, **seed))
        ]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        rates = [lookup(run).decode_tokens_per_s or 0.0 for run in self.variant_runs(variant)]
        pairs = zip(BATCHES, rates[::2], rates[1::2], strict=True)
        return {f"over on demand, batch {batch}": ours / rival for batch, ours, rival in pairs}

    def notes(self) -> list[str]:
        return [
            "Five tokens drafted a step and accepted with a chance of 0.84 each: what a rebuild of SpecMoE measured on "
            "summaries with Mixtral (aug_spec, PROGRESS.md); the paper's own for this model could not be read.",
            "Who is pinned changes what is loaded here and not what is accepted: the published throughputs are divided "
            "by their tokens a step.",
            "Drafting costs what a dense model of the model's other parts and two experts does; its weights are the "
            "model's own in the paper, and counted twice here.",
        ]
