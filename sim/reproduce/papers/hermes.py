"""Hermes (HPCA 2025, arXiv 2502.16963) against Hermes-base and Hermes-host, and its ablation.

Published, stated by the paper: tokens per second of OPT-66B and LLaMA2-70B, the mean speed-up over Hermes-base, lowest
and highest over Hermes-host, the cumulative ablation of the feed-forward block's latency (means over models), how often
the predictor is right, the share of a run that the prompt takes, how far modules' loads are apart. Which models the
means are over is not said: here all five of the figures. The generator of activity knows none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

MODELS: Final = ("opt-13b", "opt-30b", "opt-66b", "llama2-70b", "falcon-40b")
_VARIED: Final = ("opt-66b",)
OUTPUT_TOKENS: Final = 128
_STEPS: Final = 16
_QUICK_STEPS: Final = 6
_TOKENS_PER_S: Final = {"opt-66b": 20.37, "llama2-70b": 13.75}

_PARTS: Final[dict[str, dict[str, Any]]] = {
    "random": {"policy.map": "random", "policy.adjust": False, "policy.remap": False},
    "partition": {"policy.adjust": False, "policy.remap": False},
    "adjustment": {"policy.remap": False},
    "hermes": {},
}
_ABLATION: Final = (("partition", "random", 1.63), ("adjustment", "partition", 1.33), ("hermes", "adjustment", 1.29))
_BASE: Final = {"policy.name": "hermes-base"}
_HOST: Final = {"policy.beside": "host", "machine.use": "rtx4090-i9-13900k"}


@registry.register("hermes")
class HermesReproduction(Reproduction):
    """Hermes, two baselines and three ablations on five models."""

    title = "Hermes (arXiv 2502.16963) against Hermes-base and Hermes-host, RTX 4090 and 8 NDP-DIMMs"
    short: ClassVar[Mapping[str, Any]] = {"steps": _QUICK_STEPS}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "density": (None, 0.1, 0.19),
        "bundle_neurons": (32, 64, 128),
        "cluster_neurons": (8, 16, 32),
    }
    density: float | None = None
    """Of neurons, those that a token needs; None: the model's."""
    bundle_neurons = 64
    cluster_neurons = 16

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self.steps = _QUICK_STEPS if quick else _STEPS

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(_TOKENS_PER_S) if self.quick else MODELS

    def runs(self) -> list[RunKey]:
        systems = (*_PARTS.values(), _BASE, _HOST)
        return [self._run(model, **settings) for model in self._models for settings in systems]

    def _run(self, model: str, **settings: Any) -> RunKey:
        size = {
            "workload.output_tokens": self.steps + 1,
            "workload.skipped_tokens": (OUTPUT_TOKENS - 1 - self.steps) // 2,
        }
        drawn = {
            "neurons.density": self.density,
            "neurons.bundle_neurons": self.bundle_neurons,
            "neurons.cluster_neurons": self.cluster_neurons,
        }
        return key(f"hermes-{model}", {**size, **drawn, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        own = {model: lookup(self._run(model)) for model in self._models}

        def gains(rival: dict[str, Any]) -> list[float]:
            return [end_to_end_s(lookup(self._run(m, **rival))) / end_to_end_s(own[m]) for m in own]

        host = gains(_HOST)
        found = [
            Cell("tokens/s, 128 in / 128 out", model, rate, OUTPUT_TOKENS / end_to_end_s(own[model]))
            for model, rate in _TOKENS_PER_S.items()
        ]
        found += [
            Cell("end-to-end speed-up", "over Hermes-base, mean", 5.17, fmean(gains(_BASE))),
            Cell("end-to-end speed-up", "over Hermes-host, lowest", 4.79, min(host)),
            Cell("end-to-end speed-up", "over Hermes-host, highest", 7.75, max(host)),
        ]
        for part, before, published in _ABLATION:
            each = [
                mlp_s(lookup(self._run(m, **_PARTS[before]))) / mlp_s(lookup(self._run(m, **_PARTS[part]))) for m in own
            ]
            found.append(Cell("ablation, feed-forward block, mean", f"{part} over {before}", published, fmean(each)))
        shares = [result.time_to_first_token_s / end_to_end_s(result) for result in own.values()]
        right = [result.policy_report["predicted_right"] for result in own.values()]
        apart = [result.policy_report.get("load_variation_in_window", 0.0) for result in own.values()]
        found += [
            Cell("shares of 1, mean", "predicted right", 0.98, fmean(right)),
            Cell("shares of 1, mean", "of a run, the prompt", 0.3301, fmean(shares)),
            Cell("shares of 1, mean", "modules' loads apart in a window", 0.05, fmean(apart), at_most=True),
        ]
        return found

    def variants(self) -> list[Variant]:
        def draw(name: str, value: object) -> Variant:
            return Variant(f"neurons.{name}", value, {f"neurons.{name}": value})

        return [
            Variant("(default set)", "", {}),
            Variant.assuming("hermes-dimm-share", 0.475),
            Variant.assuming("hermes-link-rate", "25.9 GB/s"),
            Variant.assuming("hermes-synchronisation", "20 us"),
            Variant.assuming("hermes-kernel-launch", "10 us"),
            Variant.assuming("cpu-memory-share", 0.4),
            draw("density", 0.1),
            draw("density", 0.19),
            draw("bundle_neurons", 128),
            draw("cluster_neurons", 32),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [run for model in _VARIED for run in self._variant_runs(variant, model).values()]

    def _variant_runs(self, variant: Variant, model: str) -> dict[str, RunKey]:
        """Hermes, its map alone, and the baselines."""
        systems = {"hermes": {}, "partition": _PARTS["partition"], "base": _BASE, "host": _HOST}
        return {
            name: self._run(model, **settings, **_that_apply(variant.settings, name))
            for name, settings in systems.items()
        }

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        found = {}
        for model in _VARIED:
            results = {name: lookup(run) for name, run in self._variant_runs(variant, model).items()}
            own = end_to_end_s(results["hermes"])
            found[f"tokens/s, {model}"] = OUTPUT_TOKENS / own
            found[f"over Hermes-base, {model}"] = end_to_end_s(results["base"]) / own
            found[f"over Hermes-host, {model}"] = end_to_end_s(results["host"]) / own
            found[f"over the map alone, {model}"] = mlp_s(results["partition"]) / mlp_s(results["hermes"])
        return found

    def notes(self) -> list[str]:
        return [
            f"128 in, 128 out, batch 1 as published; {self.steps} decode steps in the middle are simulated, end to end "
            "is the prefill and 127 times a step.",
            "The generator of activity is solved from the paper's statistics of neurons alone (docs/neurons.md).",
            "The feed-forward block's latency is what its kernels have of the critical path of decode.",
        ]


def end_to_end_s(result: Result) -> float:
    """The prefill, hot neurons loaded once behind it, and every step of the whole output at the mean of those that ran:
    the load is in the decode time of `result`, whose steps are fewer than the output's."""
    loading_s = hot_load_s(result)
    step_s = mean_step.decode_s(result) - loading_s / result.decode_steps
    return result.time_to_first_token_s + loading_s + step_s * (OUTPUT_TOKENS - 1)


def hot_load_s(result: Result) -> float:
    """What the prefill's events have of the critical path behind the first token."""
    prefill_s = sum(row.seconds for row in result.critical_path if row.phase == "prefill")
    return max(prefill_s - result.time_to_first_token_s, 0.0)


def mlp_s(result: Result) -> float:
    """Of the critical path of decode, what the kernels of feed-forward blocks have."""
    return sum(row.seconds for row in result.critical_path if row.phase == "decode" and row.purpose == "dense ffn")


def _that_apply(settings: Any, system: str) -> dict[str, Any]:
    """Those of a variant that the system's experiment makes."""
    modules = ("assumptions.hermes-dimm-share", "assumptions.hermes-kernel-launch")
    return {name: value for name, value in settings.items() if not (system == "host" and name in modules)}
