"""CoX-MoE (arXiv 2605.17889) against MoE-Lightning and FlexGen, and its ablation.

Published (second-hand: a reading of the full text, and a summary): lowest and highest throughputs over both, those of
Mixtral-8x7B at 800 in / 256 out, and the ablation on Qwen3-30B-A3B. Rates of single configurations are not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Final, NamedTuple

from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.copies import LINK_EFFICIENCIES, slower_copies
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

_MACHINES: Final = {"I": "rtx-6000-ada-xeon-8452y", "II": "a100-80-xeon-8452y", "III": "h100-pcie-xeon-8452y"}
_MIXTRAL, _DEEPSEEK, _QWEN = "mixtral-8x7b", "deepseek-v2-lite", "qwen3-30b-a3b"
_UNEVEN: Final = {
    "routing.hot_experts": 0.05,
    "routing.hot_tokens": 0.27,
    "routing.cold_experts": 0.71,
    "routing.cold_tokens": 0.08,
}
"""The routing's own classes, which are not Mixtral's."""
_SCORES: Final = "assumptions.attention-score-bytes"
_STEPS: Final = 2


class Setting(NamedTuple):
    """One point of the comparison."""

    system: str
    model: str
    prompt: int
    out: int


_BEST: Final = Setting("I", _MIXTRAL, 800, 256)
_QUICK: Final = (_BEST, Setting("I", _MIXTRAL, 97, 32))
_SHORT: Final = (*_QUICK, Setting("III", _MIXTRAL, 800, 256), Setting("I", _QWEN, 97, 32))
_GRID: Final = (
    *(Setting(system, _MIXTRAL, *lengths) for system in _MACHINES for lengths in ((800, 256), (97, 32))),
    Setting("I", _QWEN, 97, 32),
    Setting("I", _DEEPSEEK, 97, 32),
)
_RUNGS: Final[dict[str, tuple[str, dict[str, Any], float]]] = {
    "MoE-Lightning": ("cox-lightning-ablation-qwen3-30b-a3b", {}, 16.8),
    "+ coalesced, with AMX": (
        "cox-moe-ablation-qwen3-30b-a3b",
        {"policy.cpu_attention": False, "policy.micro_batch": 256, "policy.hot_set": "random"},
        25.5,
    ),
    "+ attention on the CPU": (
        "cox-moe-ablation-qwen3-30b-a3b",
        {"policy.cpu_attention": True, "policy.hot_set": "random"},
        32.3,
    ),
    "+ hot set": ("cox-moe-ablation-qwen3-30b-a3b", {"policy.cpu_attention": True}, 34.1),
}
"""Experiment, settings and tokens/s."""
_ABLATION: Final = (512, 128)
"""Sequences and output."""
_MEMORY, _HITS = "share of the GPU's memory that experts stay in", "share of choices whose expert stays"


@registry.register("cox-moe")
class CoxMoeReproduction(Reproduction):
    """Three systems at several lengths, models and machines; and the four rungs of the ablation."""

    title = "CoX-MoE (arXiv 2605.17889) against MoE-Lightning and FlexGen, and its ablation"
    short: ClassVar[Mapping[str, Any]] = {"grid": _SHORT, "steps": 1}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "batch": (512, 1024, 2048),
        "link_efficiency": LINK_EFFICIENCIES,
    }
    batch = 1024
    """Sequences, but in the ablation."""
    link_efficiency: float | None = None
    """That copies reach of the link; None: the machine's."""
    steps = _STEPS

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self.grid = _QUICK if quick else _GRID

    def runs(self) -> list[RunKey]:
        every = [self._run(each, who) for each in self.grid for who in ("moe", "lightning", "flexgen")]
        return [*every, *(self._rung(name) for name in _RUNGS)]

    def _run(self, at: Setting, who: str) -> RunKey:
        settings: dict[str, Any] = {
            "machine.use": _MACHINES[at.system],
            "model": at.model,
            "workload.batch": self.batch,
            **slower_copies("gpu-host", self.link_efficiency),
            "workload.prompt_tokens": at.prompt,
            **mean_step.window(at.out, self.steps),
        }
        if at.model != _MIXTRAL:
            settings |= _UNEVEN
        if who == "moe":
            settings["policy.output_tokens"] = at.out
        return key(f"cox-{who}-mixtral-8x7b", settings)

    def _rung(self, name: str, **settings: Any) -> RunKey:
        experiment, own, _ = _RUNGS[name]
        size = {"workload.batch": _ABLATION[0], **mean_step.window(_ABLATION[1], self.steps)}
        size |= slower_copies("gpu-host", self.link_efficiency)
        if not own:  # MoE-Lightning makes no such assumption
            settings.pop(_SCORES, None)
        return key(experiment, {**size, **own, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        def gain(at: Setting, rival: str) -> float:
            runs = self._run(at, "moe"), self._run(at, rival)
            ours, theirs = (mean_step.tokens_per_s(run, lookup(run), at.out) for run in runs)
            return ours / theirs

        named = (("lightning", "MoE-Lightning", (2.4, 1.7, 2.4)), ("flexgen", "FlexGen", (7.1, 3.4, 7.1)))
        found = []
        for rival, name, (best, lowest, highest) in named:
            gains = {at: gain(at, rival) for at in self.grid}
            over = f"throughput over {name}"
            found.append(Cell(over, "Mixtral-8x7B, I, 800/256", best, gains[_BEST]))
            if not self.quick:
                found.append(Cell(over, "lowest", lowest, min(gains.values())))
                found.append(Cell(over, "highest", highest, max(gains.values())))
        rates = {
            name: mean_step.tokens_per_s(run, lookup(run), _ABLATION[1])
            for name in _RUNGS
            for run in [self._rung(name)]
        }
        names = list(_RUNGS)
        for before, name in pairwise(names):
            published = round(_RUNGS[name][2] / _RUNGS[before][2], 3)
            found.append(Cell("ablation, over the rung before", name, published, rates[name] / rates[before]))
        gpu, cpu, hot = (lookup(self._rung(name)).policy_report for name in names[1:])
        found.append(Cell("experts in the GPU's memory", "attention on the GPU", 0.115, gpu[_MEMORY]))
        found.append(Cell("experts in the GPU's memory", "attention on the CPU", 0.585, cpu[_MEMORY]))
        found.append(Cell("hit ratio", "hot set", 0.8, hot[_HITS]))
        return [*found, *(Cell("tokens/s, ablation", name, _RUNGS[name][2], rates[name]) for name in names)]

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("attention-score-bytes", 0, {_SCORES: 0}),
            Variant("attention-score-bytes", 1, {_SCORES: 1}),
            Variant.assuming("cpu-amx-rate", 1024),
            Variant.assuming("cpu-memory-share", 0.3),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._rung(name, **variant.settings) for name in _RUNGS]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        rates = [mean_step.tokens_per_s(run, lookup(run), _ABLATION[1]) for run in self.variant_runs(variant)]
        names = list(_RUNGS)[1:]
        return {name: after / before for name, before, after in zip(names, rates[:-1], rates[1:], strict=True)}

    def notes(self) -> list[str]:
        return [
            f"{self.steps} decode steps in the middle are simulated, the whole is the prefill and that many times a "
            f"step; {self.batch} sequences, {_ABLATION[0]} in the ablation.",
            "Micro-batches are those of each system's search, but for the ablation's second rung (256, as published).",
            "FlexGen attends on the CPU in decode, as the paper runs it.",
        ]
