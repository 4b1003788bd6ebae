"""The edge GPU-NDP scheduling framework (arXiv 2601.03992) against MoNDE, Fiddler and on-demand fetching.

Published, stated by the paper: mean and largest end-to-end speed-up over MoNDE, largest ones over
on-demand fetching and Fiddler, the cumulative decode ablation, and that tensor parallelism alone loses
slightly with 2 modules on two models. How many modules the means are over is not known:
`MODULES` is this reproduction's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

MODELS: Final = ("deepseek-moe-16b", "qwen3-30b-a3b", "phi-3.5-moe", "mixtral-8x7b")
_LOSING: Final = MODELS[:2]
MODULES: Final = 4
"""The middle of the published 2 to 6."""
_EVERY: Final = tuple((model, modules) for modules in (2, 4, 6) for model in MODELS)
_OVER: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    **{str(modules): tuple((model, modules) for model in MODELS) for modules in (2, 4, 6)},
    "2, 4 and 6": _EVERY,
    "2, 4 and 6 that fit 32 GB each": tuple(each for each in _EVERY if each[1] > 2 or each[0] in _LOSING),
}
"""(model, modules) that means and maxima may be over. The experts of Phi-3.5-MoE and Mixtral-8x7B, 79 and 90 GB, do not
fit two modules of 32 GB; the paper leaves out what does not fit (second-hand)."""
PROMPT_TOKENS: Final = 512
OUTPUT_TOKENS: Final = 512
_QUICK_STEPS: Final = 4
_SHORT_STEPS: Final = 16
_VARIANT_STEPS: Final = 128
"""Enough that the copies of the prefetch, which take some fifty steps, weigh little."""

_PARTS: Final[dict[str, dict[str, Any]]] = {
    "tensor parallelism": {"policy.balance": False, "policy.prefetch": False},
    "+ balance": {"policy.prefetch": False},
    "+ prefetch": {},
}
_ABLATION: Final = {"tensor parallelism": 1.99, "+ balance": 2.19, "+ prefetch": 2.23}


@registry.register("edge-ndp")
class EdgeNdpReproduction(Reproduction):
    """Four systems and the ablation on four models."""

    title = "edge GPU-NDP scheduling (arXiv 2601.03992) against MoNDE, Fiddler and on-demand fetching"
    cost_model = "edge-ndp"
    short: ClassVar[Mapping[str, Any]] = {"steps": _SHORT_STEPS}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"modules": tuple(_OVER)}
    modules = str(MODULES)
    """Of `_OVER`: the configurations of means and maxima."""

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self.steps = _QUICK_STEPS if quick else OUTPUT_TOKENS - 1

    def runs(self) -> list[RunKey]:
        tensor_only = _PARTS["tensor parallelism"]
        return [
            *(
                run_key
                for model, modules in _OVER[self.modules]
                for run_key in (
                    *(self._run(system, model, modules) for system in ("monde", "fiddler", "on-demand")),
                    *(self._run("edge-ndp", model, modules, **part) for part in _PARTS.values()),
                )
            ),
            *(
                run_key
                for model in _LOSING
                for run_key in (self._run("monde", model, 2), self._run("edge-ndp", model, 2, **tensor_only))
            ),
        ]

    def _run(self, system: str, model: str, modules: int, **settings: Any) -> RunKey:
        steps = min(settings.pop("steps", self.steps), self.steps)
        size: dict[str, Any] = {
            "workload.prompt_tokens": PROMPT_TOKENS,
            "workload.output_tokens": steps + 1,
            "workload.skipped_tokens": (OUTPUT_TOKENS - steps) // 2,
        }
        if system in ("edge-ndp", "monde"):
            size["machine.use"] = f"rtx5080-dimm-ndp-{modules}"
        name = "edge-ndp" if system == "edge-ndp" else f"edge-{system}"
        return key(f"{name}-{model}", {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        over = _OVER[self.modules]

        def gains(rival: str) -> list[float]:
            return [
                end_to_end_s(lookup(self._run(rival, *each))) / end_to_end_s(lookup(self._run("edge-ndp", *each)))
                for each in over
            ]

        monde = gains("monde")
        found = [
            Cell("end-to-end speed-up", "over MoNDE, mean", 2.41, sum(monde) / len(monde)),
            Cell("end-to-end speed-up", "over MoNDE, highest", 2.56, max(monde)),
            Cell("end-to-end speed-up", "over on-demand, highest", 5.49, max(gains("on-demand"))),
            Cell("end-to-end speed-up", "over Fiddler, highest", 4.05, max(gains("fiddler"))),
        ]
        for name, part in _PARTS.items():
            each = [
                decode_s(lookup(self._run("monde", *where))) / decode_s(lookup(self._run("edge-ndp", *where, **part)))
                for where in over
            ]
            found.append(Cell("ablation, decode, mean over MoNDE", name, _ABLATION[name], sum(each) / len(each)))
        for model in _LOSING:
            tensor_only = lookup(self._run("edge-ndp", model, 2, **_PARTS["tensor parallelism"]))
            gain = decode_s(lookup(self._run("monde", model, 2))) / decode_s(tensor_only)
            figure = "tensor parallelism alone, 2 modules (published: slightly below 1)"
            found.append(Cell(figure, model, 1.0, gain, at_most=True))
        return found

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("modules", 2, {"modules": 2}),
            Variant("modules", 6, {"modules": 6}),
            Variant.assuming("monde-migration", "ceil"),
            Variant.assuming("edge-kernel-launch", "50 us"),
            Variant.assuming("edge-core-rows", 32),
            Variant.assuming("edge-channel-efficiency", 0.7),
            Variant.assuming("pcie5-efficiency", 0.86),
            Variant.assuming("edge-cpu-cores", 4),
            Variant.assuming("host-overhead-per-layer", "150 us"),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [
            run_key
            for model in MODELS
            for run_key in (
                *(self._variant_run(variant, system, model) for system in ("monde", "fiddler", "edge-ndp")),
                self._variant_run(variant, "edge-ndp", model, **_PARTS["tensor parallelism"]),
            )
        ]

    def _variant_run(self, variant: Variant, system: str, model: str, **settings: Any) -> RunKey:
        chosen = {
            name: value
            for name, value in variant.settings.items()
            if name != "modules" and _applies(name.removeprefix("assumptions."), system)
        }
        modules = variant.settings.get("modules", MODULES)
        return self._run(system, model, modules, steps=_VARIANT_STEPS, **settings, **chosen)

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        tensor_only = _PARTS["tensor parallelism"]
        monde = [lookup(self._variant_run(variant, "monde", m)) for m in MODELS]
        fiddler = [lookup(self._variant_run(variant, "fiddler", m)) for m in MODELS]
        full = [lookup(self._variant_run(variant, "edge-ndp", m)) for m in MODELS]
        tensor = [lookup(self._variant_run(variant, "edge-ndp", m, **tensor_only)) for m in MODELS]

        def mean(rivals: list[Result], ours: list[Result], time: Callable[[Result], float]) -> float:
            return sum(time(a) / time(b) for a, b in zip(rivals, ours, strict=True)) / len(ours)

        found = {
            "end to end over MoNDE, mean": mean(monde, full, end_to_end_s),
            "end to end over Fiddler, mean": mean(fiddler, full, end_to_end_s),
            "tensor parallelism over MoNDE, decode": mean(monde, tensor, decode_s),
        }
        for index, model in enumerate(_LOSING):
            found[f"the same, {model}"] = decode_s(monde[index]) / decode_s(tensor[index])
        return found

    def notes(self) -> list[str]:
        middle = "" if self.steps == OUTPUT_TOKENS - 1 else f"; {self.steps} decode steps in the middle are simulated"
        return [
            f"{PROMPT_TOKENS} in, {OUTPUT_TOKENS} out, batch 1 as published{middle}. Sensitivity: of "
            f"{min(_VARIANT_STEPS, self.steps)} steps; end to end is the prefill and the steps' mean for the rest.",
            f"{MODULES} modules (published: 2 to 6, without saying which for the means).",
            "MoNDE moves no expert at batch 1 (its rule rounded down): rounded up it would move one of 17-352 MB "
            "per layer.",
        ]


def end_to_end_s(result: Result) -> float:
    """Seconds of the prefill and of `OUTPUT_TOKENS` steps like the mean one."""
    return mean_step.end_to_end_s(result, OUTPUT_TOKENS)


def _applies(name: str, system: str) -> bool:
    """Whether a system's experiment makes this assumption."""
    if name == "monde-migration":
        return system == "monde"
    if name.startswith("edge-cpu"):
        return True
    if name.startswith("edge-"):
        return system in ("monde", "edge-ndp")
    return True
