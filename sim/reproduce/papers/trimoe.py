"""TriMoE (arXiv 2603.01058): GPU, AMX CPU and DIMM-NDP against Klotski, KTransformers and MoNDE.

Published, all stated by the paper: ranges of the speed-up over the best baseline, the cumulative
ablation, mean utilization, relayout overhead, the predictor's accuracy. Which model and batch gives
which number of a range is not, nor are the lengths; `docs/reproduce-trimoe.md` discusses both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s, end_to_end_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

MODELS: Final = ("deepseek-v2", "qwen3-235b-a22b", "glm-4.5-air")
BATCHES: Final = (256, 512, 768)
_QUICK_BATCHES: Final = (256,)
BASELINES: Final = ("klotski", "ktransformers", "monde-dimm")
LENGTHS: Final = (64, 256)
"""(prompt, output) tokens of the whole run: this reproduction's choice."""
_STEPS: Final = 8
"""Decode steps simulated, in the middle of the output."""
_QUICK_STEPS: Final = 2
_SHORT_POINTS: Final = (("deepseek-v2", 256), ("glm-4.5-air", 256))
"""Where the speed-ups are lowest and highest."""
_VARIANT_STEPS: Final = 4
_VARIANT_MODELS: Final = ("deepseek-v2", "glm-4.5-air")
"""Latent and grouped-query attention; few and many experts that fit the GPU."""

ABLATION: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("GPU + NDP", {"policy.cpu": False, "policy.refine": False, "policy.relayout": False}),
    ("+ AMX CPU", {"policy.refine": False, "policy.relayout": False}),
    ("+ refinement", {"policy.relayout": False}),
    ("+ relayout", {}),
)
_ABLATION_GAINS: Final = {"+ AMX CPU": 1.75, "+ refinement": 1.28, "+ relayout": 1.16}
_DECODE: Final = (2.12, 2.83)
_END_TO_END: Final = (2.09, 2.78)
_UTILIZATION: Final = 0.762
_RELAYOUT_OVERHEAD: Final = 0.033
_ACCURACY: Final = 0.78


@registry.register("trimoe")
class TriMoeReproduction(Reproduction):
    """Four systems and the ablation on three models at three batches."""

    title = "TriMoE on GPU + AMX CPU + DIMM-NDP (arXiv 2603.01058) against Klotski, KTransformers and MoNDE"
    cost_model = "trimoe"
    short: ClassVar[Mapping[str, Any]] = {
        "points": _SHORT_POINTS,
        "steps": 2,
        "baselines": BASELINES[1:],  # Klotski is never the best
    }
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "gpu_experts": (None, 4, 8, 16),
        "lengths": (LENGTHS, (64, 64), (32, 512), (128, 128)),
        "deferred_experts": (0, 1, 2),
    }
    gpu_experts: int | None = None
    """That the GPU keeps of each layer (MoNDE aside); None: as many as fit."""
    lengths = LENGTHS
    deferred_experts = 0
    """KTransformers' of each layer and token."""
    baselines = BASELINES

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        batches = _QUICK_BATCHES if quick else BATCHES
        self.points: Sequence[tuple[str, int]] = [(model, batch) for model in MODELS for batch in batches]
        self.steps = _QUICK_STEPS if quick else _STEPS

    def runs(self) -> list[RunKey]:
        return [
            run_key
            for model, batch in self.points
            for run_key in (
                *(self._run(system, model, batch) for system in self.baselines),
                *(self._run("trimoe", model, batch, **part) for _, part in ABLATION),
            )
        ]

    def _run(self, system: str, model: str, batch: int, **settings: Any) -> RunKey:
        steps = min(settings.pop("steps", self.steps), self.steps)
        prompt, output = self.lengths
        size: dict[str, Any] = {
            "workload.batch": batch,
            "workload.prompt_tokens": prompt,
            "workload.output_tokens": steps + 1,
            "workload.skipped_tokens": (output - steps) // 2,
        }
        if self.deferred_experts and system == "ktransformers":
            size["policy.deferred_experts"] = self.deferred_experts
        if self.gpu_experts is not None and system != "monde-dimm":
            size["policy.gpu_experts"] = self.gpu_experts
        return key(f"{system}-{model}", {**size, **settings})

    # -- cells ------------------------------------------------------------------------------

    def cells(self, lookup: Lookup) -> list[Cell]:
        decode = {point: self._gain(lookup, *point, decode_s) for point in self.points}
        whole = {point: self._gain(lookup, *point, self._end_to_end_s) for point in self.points}
        return [
            *_range("decode speed-up over the best baseline", decode, _DECODE),
            *_range("end-to-end speed-up over the best baseline", whole, _END_TO_END),
            *self._ablation(lookup),
            *self._others(lookup),
        ]

    def _gain(self, lookup: Lookup, model: str, batch: int, time: Callable[[Result], float]) -> float:
        best = min(time(lookup(self._run(system, model, batch))) for system in self.baselines)
        return best / time(lookup(self._run("trimoe", model, batch)))

    def _end_to_end_s(self, result: Result) -> float:
        return end_to_end_s(result, self.lengths[1])

    def _ablation(self, lookup: Lookup) -> list[Cell]:
        """Geometric means over models and batches of each part's gain over the parts before."""
        found = []
        for (_, before), (name, part) in itertools.pairwise(ABLATION):
            gains = [
                decode_s(lookup(self._run("trimoe", *point, **before)))
                / decode_s(lookup(self._run("trimoe", *point, **part)))
                for point in self.points
            ]
            found.append(Cell("ablation, decode, mean gain", name, _ABLATION_GAINS[name], _mean(gains)))
        return found

    def _others(self, lookup: Lookup) -> list[Cell]:
        results = [lookup(self._run("trimoe", *point)) for point in self.points]
        count = len(results)
        kinds = {kind: sum(utilization(result, kind) for result in results) / count for kind in ("gpu", "cpu", "ndp")}
        accuracy = [result.policy_report.get("predictor accuracy") for result in results]
        judged = [value for value in accuracy if value is not None]
        return [
            Cell("utilization in decode", "mean of GPU, CPU and NDP", _UTILIZATION, sum(kinds.values()) / 3),
            Cell(
                "relayout on decode's critical path",
                "published: less than",
                _RELAYOUT_OVERHEAD,
                max(map(overhead, results)),
                at_most=True,
            ),
            Cell("predictor", "right migration decisions", _ACCURACY, sum(judged) / max(len(judged), 1)),
        ]

    # -- what it hangs on -------------------------------------------------------------------

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant.assuming("kv-attention", "gpu"),
            Variant.assuming("host-channel-efficiency", 1.0),
            Variant.assuming("pcie5-efficiency", 0.86),
            Variant.assuming("cpu-amx-rate", 203),
            Variant.assuming("dimm-internal-rate", "153.6 GB/s"),
            Variant.assuming("dimm-core-rows", 32),
            Variant.assuming("batch-routing-drift", 0.2),
            Variant.assuming("trimoe-channel-contention", "ignored"),
            Variant.assuming("relayout-window", "attention"),
            Variant("experts kept on the GPU", "8 per layer", {"policy.gpu_experts": 8}),
            Variant("MoNDE keeps hot experts", "as many as fit", {"monde": True}),
            Variant("KTransformers defers", "2 experts", {"deferred": 2}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    @property
    def _variant_points(self) -> list[tuple[str, int]]:
        return [(model, 256 if self.quick else 512) for model in _VARIANT_MODELS]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        parts = (ABLATION[0][1],)
        return [
            run_key
            for point in self._variant_points
            for run_key in (
                *(self._variant_run(variant, system, *point) for system in ("trimoe", "ktransformers", "monde-dimm")),
                *(self._variant_run(variant, "trimoe", *point, **part) for part in parts),
            )
        ]

    def _variant_run(self, variant: Variant, system: str, model: str, batch: int, **settings: Any) -> RunKey:
        chosen = {
            name: value
            for name, value in variant.settings.items()
            if _applies(name.removeprefix("assumptions."), system, settings)
        }
        if chosen.pop("monde", None):
            chosen["policy.gpu_experts"] = None
        if "deferred" in chosen:
            chosen["policy.deferred_experts"] = chosen.pop("deferred")
        return self._run(system, model, batch, steps=_VARIANT_STEPS, **settings, **chosen)

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        found = {}
        for model, batch in self._variant_points:
            full = decode_s(lookup(self._variant_run(variant, "trimoe", model, batch)))
            rivals = [
                decode_s(lookup(self._variant_run(variant, s, model, batch))) for s in ("ktransformers", "monde-dimm")
            ]
            base = decode_s(lookup(self._variant_run(variant, "trimoe", model, batch, **ABLATION[0][1])))
            found[f"{model} over the best baseline"] = min(rivals) / full
            found[f"{model} over GPU + NDP"] = base / full
        return found

    def notes(self) -> list[str]:
        return [
            f"Lengths: {LENGTHS[0]} in, {LENGTHS[1]} out, our choice. {self.steps} decode steps in the middle of the "
            "output are simulated; end to end is the prefill and that many times a step.",
            "Baselines keep as many experts on the GPU as fit, except MoNDE, which keeps none between steps.",
            "Utilization counts the GPU as busy while it computes or fetches, as the paper's cost model does.",
            "Relayout overhead: the largest share of decode's critical path that DIMM-Link copies have.",
            f"Sensitivity: batch {self._variant_points[0][1]}, one assumption changed at a time.",
        ]


def utilization(result: Result, kind: str) -> float:
    """Share of the decode in which units of a kind work, copies included; the mean over them."""
    rows = [row.decode_utilization_with_copies for row in result.units if row.kind == kind]
    return float(sum(rows) / len(rows))


def overhead(result: Result) -> float:
    """Share of the decode that DIMM-Link is on the critical path."""
    on_path = sum(row.seconds for row in result.critical_path if row.phase == "decode" and row.unit.endswith(".link"))
    return float(on_path / result.decode_s)


def _range(figure: str, found: dict[tuple[str, int], float], published: tuple[float, float]) -> list[Cell]:
    """The lowest and the highest, with where they are."""
    low, high = min(found, key=lambda p: found[p]), max(found, key=lambda p: found[p])
    return [
        Cell(figure, f"lowest ({low[0]}, batch {low[1]})", published[0], found[low]),
        Cell(figure, f"highest ({high[0]}, batch {high[1]})", published[1], found[high]),
    ]


def _mean(gains: list[float]) -> float:
    return math.exp(sum(map(math.log, gains)) / len(gains))


def _applies(name: str, system: str, settings: dict[str, object]) -> bool:
    """Whether a run makes this assumption: a system without the part does not."""
    with_cpu = settings.get("policy.cpu", True)
    if name == "monde":
        return system == "monde-dimm"
    if name == "deferred":
        return system == "ktransformers"
    if name == "trimoe-channel-contention":
        return system == "trimoe" and bool(with_cpu)
    if name == "relayout-window":
        return system == "trimoe"
    if name == "policy.gpu_experts":
        return system != "monde-dimm"
    return True
