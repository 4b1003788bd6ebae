"""DALI (arXiv 2602.03495) against KTransformers, three models on an RTX 3090, and what its assignment is worth.

Published (second-hand: a reading of the full text in a public repository; three others quote the same speed-ups):
decode and prefill over KTransformers on average, greedy over naive assignment, and how near it comes to the best one.
Rates of single cells are not at hand, nor what its other baselines (HybriMoE, MoE-Lightning, llama.cpp) ran with. No
constant is fitted; the CPU's 50 GB/s is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from statistics import mean
from typing import Any, ClassVar, Final, NamedTuple

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s, end_to_end_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

_MODELS: Final = {"deepseek-v2-lite": "deepseek-v2-lite", "qwen3-30b-a3b": "qwen3-30b", "mixtral-8x7b": "mixtral-8x7b"}
"""And whose routing."""
_CACHED: Final = {"deepseek-v2-lite": 4, "qwen3-30b-a3b": 4, "mixtral-8x7b": 1}
"""Experts of a layer: about what its GPU memory leaves (5 to 7 GB with Qwen3-30B-A3B, 13 to 15 with Mixtral-8x7B)."""
_BATCHES: Final = (8, 16, 32, 64, 128)
_OUTPUT_TOKENS: Final = 64
_STEPS: Final = 32
_QUICK_STEPS: Final = 4
_SHARE: Final = "share of the best assignment's speed, at least"


class ModelAndBatch(NamedTuple):
    """One point of the comparison."""

    model: str
    batch: int


@registry.register("dali")
class DaliReproduction(Reproduction):
    """Three models at five batches."""

    title = "DALI (arXiv 2602.03495) against KTransformers, and its assignment, RTX 3090"
    cost_model = "units"
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "naive": ("gpu", "cpu"),
        "prefetch_experts": (0, 1, 2, 4),
        "exchanged_experts": (0, 1, 2),
    }
    prefetch_experts = 1
    exchanged_experts = 1
    naive = "gpu"
    """What the paper calls naive is not said: all experts on the GPU, which fetches those that it lacks."""

    @property
    def grid(self) -> tuple[ModelAndBatch, ...]:
        """Quick: each model with 32 sequences."""
        return tuple(ModelAndBatch(*each) for each in product(_MODELS, (32,) if self.quick else _BATCHES))

    def runs(self) -> list[RunKey]:
        return [run for at in self.grid for run in (self._own(at), self._rival(at), self._naive(at))]

    def _own(self, at: ModelAndBatch, **settings: Any) -> RunKey:
        chosen = {
            "policy.cache_experts": _CACHED[at.model],
            "policy.prefetch_experts": self.prefetch_experts,
            "policy.exchanged_experts": self.exchanged_experts,
        }
        return self._run("dali", at, {**chosen, **settings})

    def _naive(self, at: ModelAndBatch) -> RunKey:
        return self._own(at, **{"policy.assignment": self.naive})

    def _rival(self, at: ModelAndBatch, **settings: Any) -> RunKey:
        return self._run("dali-ktransformers", at, settings)

    def _run(self, experiment: str, at: ModelAndBatch, settings: dict[str, Any]) -> RunKey:
        size = {
            "model": at.model,
            "routing.preset": _MODELS[at.model],
            "workload.batch": at.batch,
            "workload.output_tokens": (_QUICK_STEPS if self.quick else _STEPS) + 1,
        }
        return key(f"{experiment}-qwen3-30b-a3b", {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        own, rival, naive = (
            [lookup(run) for run in runs]
            for runs in (
                [self._own(at) for at in self.grid],
                [self._rival(at) for at in self.grid],
                [self._naive(at) for at in self.grid],
            )
        )
        figure = "over KTransformers, mean"
        shares = [result.policy_report[_SHARE] for result in own]
        return [
            Cell(figure, "decode", 2.16, _mean_gain(rival, own, decode_s)),
            Cell(figure, "prefill", 3.80, _mean_gain(rival, own, _prefill_s)),
            Cell("greedy assignment", "over naive, end to end, mean", 4.42, _mean_gain(naive, own, _whole_s)),
            Cell("greedy assignment", "of the best one's speed, highest", 0.92, max(shares)),
        ]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            *(Variant.assuming("cpu-memory-share", share) for share in (0.1, 0.244, 0.732)),
            *(Variant("prefetch_experts", count, {"policy.prefetch_experts": count}) for count in (0, 2, 4)),
            Variant("cache_experts", 0, {"policy.cache_experts": 0}),
            Variant("exchanged_experts", 0, {"policy.exchanged_experts": 0}),
            Variant.assuming("dali-prefetch-accuracy", 1.0),
            Variant.assuming("cpu-avx2-rate", 32),
            Variant("assignment", "cpu", {"policy.assignment": "cpu"}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        """With 32 sequences."""
        both = {path: value for path, value in variant.settings.items() if path.startswith("assumptions.cpu")}
        settings = [ModelAndBatch(model, 32) for model in _MODELS]
        return [run for at in settings for run in (self._own(at, **variant.settings), self._rival(at, **both))]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        found = {}
        runs = self.variant_runs(variant)
        for model, own, rival in zip(_MODELS, runs[::2], runs[1::2], strict=True):
            found[f"{model}, decode"] = decode_s(lookup(rival)) / decode_s(lookup(own))
            found[f"{model}, prefill"] = _prefill_s(lookup(rival)) / _prefill_s(lookup(own))
        return found

    def notes(self) -> list[str]:
        return [
            f"64 tokens in; {_QUICK_STEPS if self.quick else _STEPS} of the 64 decode steps are simulated; BF16; "
            "means over models and batches.",
            "The CPU's kernels reach 50 GB/s, as the paper draws it (second-hand); two processors have its 64 cores.",
            "Naive assignment is read as all experts on the GPU, which fetches those that it lacks.",
            "The best assignment is bounded from below by one that splits an expert: the share is at least that.",
        ]


def _mean_gain(rival: list[Result], own: list[Result], took: Callable[[Result], float]) -> float:
    return mean(took(theirs) / took(ours) for theirs, ours in zip(rival, own, strict=True))


def _prefill_s(result: Result) -> float:
    return result.time_to_first_token_s


def _whole_s(result: Result) -> float:
    return end_to_end_s(result, _OUTPUT_TOKENS)
