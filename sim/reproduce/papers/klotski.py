"""Klotski (arXiv 2502.06888, ASPLOS 2025) against FlexGen, Fiddler and MoE-Infinity, and its ablation.

Published: largest throughputs over each (9.2), FlexGen's and its own at batches of 128 (9.2), the ablation of table 3,
and what figure 15's profiler saw of a layer. Figure 10's bars have no numbers. Mixtral-8x22B on the RTX 3090 (0.01 to
1.37 tokens/s, from an SSD) is left out: none of these policies takes experts from flash memory.
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

_BATCHES: Final = 15
"""Of a group, "the maximum n" of figure 14; FlexGen's, too (9.2)."""
_OUTPUT_TOKENS: Final = 32
_STEPS: Final = 2
_QUICK_STEPS: Final = 1
_LARGEST: Final = 64
"""Sequences of a batch, of those compared."""


class Environment(NamedTuple):
    """One of table 2's, and what runs there."""

    title: str
    machine: str
    model: str
    rungs: dict[str, float]
    """Tokens/s of table 3."""

    def settings(self, sequences: int) -> dict[str, Any]:
        return {"machine.use": self.machine, "model": self.model, "workload.batch": sequences}


SIMPLE, SEVERAL, HOT = "simple pipeline", "+ several batches", "+ only hot experts ahead"
WHOLE, FOUR_BITS = "+ order (Klotski)", "+ experts of 4 bits"
_FIRST: Final = Environment(
    "8x7B, RTX 3090",
    "rtx3090-xeon-5318y",
    "mixtral-8x7b",
    {SIMPLE: 5.721, SEVERAL: 18.24, HOT: 19.074, WHOLE: 22.414, FOUR_BITS: 22.604},
)
_SECOND: Final = Environment(
    "8x22B, H800",
    "h800-xeon-8470",
    "mixtral-8x22b",
    {SIMPLE: 1.149, SEVERAL: 34.07, HOT: 44.17, WHOLE: 52.85, FOUR_BITS: 53.125},
)
_OVER: Final = {"flexgen": ("FlexGen", 2.23), "fiddler": ("Fiddler", 9.53), "infinity": ("MoE-Infinity", 19.06)}
"""Highest of all scenarios."""
_OWN: Final[dict[str, dict[str, Any]]] = {
    HOT: {"policy.reorder": False},
    FOUR_BITS: {"quantization.expert_format": "int4"},
}
"""What a rung of Klotski's changes."""
_AT_128: Final = 53 / 46
_LAYER_MS: Final = {SIMPLE: 2367.0, WHOLE: 215.0}
"""Ten batches of 64 in a layer of Mixtral-8x7B (9.8): one after the other, and as a group."""
_LAYER_NAMES: Final = {SIMPLE: "simple", WHOLE: "Klotski"}
_LAYER_BATCHES: Final = 10
_LAYERS: Final = 32
_VARIED: Final = (SIMPLE, SEVERAL, HOT, WHOLE)
_WAITED_FOR: Final = 0.4
"""12.6 of 31.5 GB/s: figure 15 has a batch wait 223.96 ms for the 8 experts of a layer, 2.82 GB."""


@registry.register("klotski")
class KlotskiReproduction(Reproduction):
    """Four systems with batches of three sizes in two environments, and the four rungs of the ablation."""

    title = "Klotski (arXiv 2502.06888) against FlexGen, Fiddler and MoE-Infinity, and its ablation"
    short: ClassVar[Mapping[str, Any]] = {"steps": _QUICK_STEPS}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "layers_apart": (True, False),
        "link_efficiency": LINK_EFFICIENCIES,
    }
    layers_apart = True
    """Whether FlexGen's attention and experts are layers of their own."""
    link_efficiency: float | None = None
    """That copies reach of the link; None: the machine's. Figure 15's profiler saw 0.4."""

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self.steps = _QUICK_STEPS if quick else _STEPS

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Quick: the first alone."""
        return (_FIRST,) if self.quick else (_FIRST, _SECOND)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sequences of a batch."""
        return (4, _LARGEST) if self.quick else (4, 16, _LARGEST)

    def runs(self) -> list[RunKey]:
        found = [self._run(who, at, size) for at in self.environments for size in self.sizes for who in self._systems]
        found += [self._rung(rung, at) for at in self.environments for rung in at.rungs]
        found += [self._rung(rung, _FIRST, _LAYER_BATCHES) for rung in _LAYER_MS]
        return found if self.quick else [*found, *(self._run(who, _SECOND, 128) for who in ("klotski", "flexgen"))]

    _systems: Final = ("klotski", *_OVER)

    def _run(self, who: str, at: Environment, size: int, batches: int = _BATCHES, **settings: Any) -> RunKey:
        """Batches of `size` sequences: groups of them, or, where a system has no groups, one."""
        window = mean_step.window(_OUTPUT_TOKENS, self.steps)
        settings = {**slower_copies("gpu-host", self.link_efficiency), **settings}
        if who in ("fiddler", "infinity"):
            return key(f"klotski-{who}-mixtral-8x7b", {**at.settings(size), **window, **settings})
        own = {**at.settings(size * batches), **window, **settings}
        if who == "flexgen":
            return key(
                "klotski-flexgen-mixtral-8x7b",
                {"policy.micro_batch": size, "policy.layers_apart": self.layers_apart, **own},
            )
        return key("klotski-mixtral-8x7b", {"policy.batch_sequences": size, **own})

    def _rung(self, rung: str, at: Environment, batches: int = _BATCHES, **settings: Any) -> RunKey:
        """Of the ablation. The first two load a layer's experts while it attends, as FlexGen does."""
        if rung in (SIMPLE, SEVERAL):
            return self._run("flexgen", at, _LARGEST, 1 if rung == SIMPLE else batches, **settings)
        return self._run("klotski", at, _LARGEST, batches, **{**_OWN.get(rung, {}), **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(run: RunKey) -> float:
            return mean_step.tokens_per_s(run, lookup(run), _OUTPUT_TOKENS)

        found = []
        for rival, (name, highest) in _OVER.items():
            gains = [
                rate(self._run("klotski", at, size)) / rate(self._run(rival, at, size))
                for at in self.environments
                for size in self.sizes
            ]
            found.append(Cell(f"throughput over {name}", "highest", highest, max(gains)))
        if not self.quick:
            gain = rate(self._run("klotski", _SECOND, 128)) / rate(self._run("flexgen", _SECOND, 128))
            found.append(Cell("throughput over FlexGen", "8x22B, H800, batches of 128", _AT_128, gain))
        for at in self.environments:
            rates = {rung: rate(self._rung(rung, at)) for rung in at.rungs}
            for before, rung in pairwise(at.rungs):
                published = at.rungs[rung] / at.rungs[before]
                found.append(
                    Cell(f"ablation, {at.title}, over the rung before", rung, published, rates[rung] / rates[before])
                )
            found += [Cell(f"tokens/s, {at.title}", rung, at.rungs[rung], rates[rung]) for rung in at.rungs]
        layers_ms = {rung: self._layer_ms(rung, lookup) for rung in _LAYER_MS}
        figure = "a layer of 10 batches, decode"
        published, gain = (each[SIMPLE] / each[WHOLE] for each in (_LAYER_MS, layers_ms))
        return [
            *found,
            Cell(figure, "simple over Klotski", published, gain),
            *(Cell(figure, f"{name}, ms", _LAYER_MS[rung], layers_ms[rung]) for rung, name in _LAYER_NAMES.items()),
        ]

    def _layer_ms(self, rung: str, lookup: Lookup) -> float:
        """Of ten batches, the mean of the first environment's layers."""
        step_s = mean_step.decode_s(lookup(self._rung(rung, _FIRST, _LAYER_BATCHES)))
        return 1e3 * step_s / _LAYERS * (_LAYER_BATCHES if rung == SIMPLE else 1)

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("FlexGen's layers apart", "no", {"policy.layers_apart": False}),
            Variant("link efficiency", _WAITED_FOR, {"machine.set.links.gpu-host.efficiency": _WAITED_FOR}),
            Variant.assuming("klotski-hot-accuracy", 1.0),
            Variant("experts fetched ahead", 0, {"policy.prefetch_experts": 0}),
            Variant("gpu_memory_share", 0.95, {"policy.gpu_memory_share": 0.95}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._rung(rung, _FIRST, **_applied(rung, variant)) for rung in _VARIED]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        rates = [mean_step.tokens_per_s(run, lookup(run), _OUTPUT_TOKENS) for run in self.variant_runs(variant)]
        simple, several, hot, whole = rates
        return {
            "tokens/s, simple": simple,
            "tokens/s, Klotski": whole,
            "over FlexGen": whole / several,
            HOT: hot / several,
            WHOLE: whole / hot,
        }

    def notes(self) -> list[str]:
        return [
            f"512 tokens in, {_OUTPUT_TOKENS} out, groups of {_BATCHES} batches; {self.steps} decode steps in the "
            "middle are simulated, the whole is the prefill and that many times a step.",
            "FlexGen's attention and experts are layers of their own, as its default and the paper have it: a layer's "
            "experts are loaded while it attends. The ablation's first two rungs are FlexGen, of one batch and of 15.",
            "Fiddler and MoE-Infinity take one batch at a time.",
            "Which H800 it was is not said; the PCIe card is taken. What gives the highest gain of each is not said "
            "either.",
        ]


def _applied(rung: str, variant: Variant) -> dict[str, Any]:
    """What a rung lacks cannot be varied."""
    flexgen = rung in (SIMPLE, SEVERAL)
    foreign = ("policy.prefetch_experts", "assumptions.") if flexgen else ("policy.layers_apart",)
    return {path: value for path, value in variant.settings.items() if not path.startswith(foreign)}
