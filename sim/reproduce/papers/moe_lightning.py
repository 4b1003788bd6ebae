"""MoE-Lightning (arXiv 2411.11217) against FlexGen: Mixtral-8x7B on one T4 (S1) and on one L4 (S2), MTBench.

Published: throughputs of figure 7 (values as the authors' artifact plots them, caoshiyi/artifacts,
plot_e2e_bar_all.py) and of table 5. Policies of FlexGen are those of the artifact's scripts for MTBench, batches of
MoE-Lightning follow from the times and throughputs that it keeps beside them (tokens over output length).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.copies import LINK_EFFICIENCIES, slower_copies
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

PADDED_TOKENS: Final = 418
MEAN_TOKENS: Final = 77
"""Of a prompt: padded to the longest, and on average (table 3)."""
PINNED: Final = 0.82
"""What copies from pinned memory reach of PCIe 4.0 x16, and by assumption of 3.0 (`hw_models/catalog/links`)."""
_STEPS: Final = 2
_QUICK_STEPS: Final = 1


class MtBenchRow(NamedTuple):
    """What was run at one output length, and tokens/s."""

    flexgen: tuple[int, int, float]
    """Micro-batch, how many of them, share of the weights on the GPU."""
    padded: int
    """Sequences of MoE-Lightning with padding..."""
    unpadded: int
    """...and without."""
    published: dict[str, float]


_ROWS: Final[dict[tuple[str, int], MtBenchRow]] = {
    ("S1", 32): MtBenchRow(
        (32, 40, 0.07), 504, 3097, {"flexgen": 12.1, "flexgen(c)": 9.8, "padded": 15.6, "whole": 63.0}
    ),
    ("S1", 128): MtBenchRow(
        (8, 139, 0.08), 504, 2296, {"flexgen": 9.5, "flexgen(c)": 7.2, "padded": 30.1, "whole": 97.7}
    ),
    ("S2", 32): MtBenchRow(
        (64, 21, 0.12), 1088, 4494, {"flexgen": 29.2, "flexgen(c)": 17.5, "padded": 53.7, "whole": 203.0}
    ),
    ("S2", 128): MtBenchRow(
        (64, 18, 0.12), 884, 2608, {"flexgen": 37.2, "flexgen(c)": 20.0, "padded": 79.0, "whole": 217.5}
    ),
}
_MACHINES: Final = {"S1": "t4", "S2": "l4"}
_POLICIES: Final[dict[str, tuple[dict[str, Any], float]]] = {
    "FlexGen, our policy": ({"workload.batch": 504}, 16.816),
    "FlexGen, our policy and more sequences": ({"workload.batch": 1116}, 20.654),
}
"""Settings and tokens/s of table 5 (S1, 128 out); our policy is a micro-batch of 36."""


@registry.register("moe-lightning")
class MoeLightningReproduction(Reproduction):
    """Four systems at two output lengths in two settings, and FlexGen with MoE-Lightning's policy."""

    title = "MoE-Lightning (arXiv 2411.11217) against FlexGen, Mixtral-8x7B on a T4 and an L4"
    short: ClassVar[Mapping[str, Any]] = {"quick": True, "link_efficiency": PINNED}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"link_efficiency": (*LINK_EFFICIENCIES, PINNED)}
    link_efficiency: float | None = None
    """That copies reach of the link; None: the machine's, whose assumption cannot be varied beside another."""

    def runs(self) -> list[RunKey]:
        every = [self._run(where, out, system) for where, out in _ROWS for system in ("flexgen", "padded", "whole")]
        waiting = [self._run(where, 128, "flexgen(c)") for where in _MACHINES]
        return [*every, *waiting, *(self._ported(settings) for settings, _ in _POLICIES.values())]

    def _run(self, where: str, out: int, system: str, **settings: Any) -> RunKey:
        row, steps = _ROWS[where, out], _QUICK_STEPS if self.quick else _STEPS
        size: dict[str, Any] = mean_step.window(out, steps)
        size |= slower_copies("gpu-host", self.link_efficiency)
        if system in ("padded", "whole"):
            size["workload.batch"] = row.padded if system == "padded" else row.unpadded
            size["workload.prompt_tokens"] = PADDED_TOKENS if system == "padded" else MEAN_TOKENS
            return key(f"moe-lightning-mixtral-8x7b-{_MACHINES[where]}", {**size, **settings})
        micro_batch, count, share = row.flexgen
        size |= {"policy.micro_batch": micro_batch, "policy.gpu_weights": share, "workload.batch": micro_batch * count}
        size["policy.cpu_attention"] = system == "flexgen(c)"
        return key(f"flexgen-mixtral-8x7b-{_MACHINES[where]}", {**size, **settings})

    def _ported(self, settings: Mapping[str, Any]) -> RunKey:
        """FlexGen with the micro-batch and the share of weights that MoE-Lightning takes."""
        return self._run("S1", 128, "flexgen", **{"policy.micro_batch": 36, "policy.gpu_weights": None, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(where: str, out: int, system: str) -> float:
            run = self._run(where, out, system)
            return mean_step.tokens_per_s(run, lookup(run), out)

        found = []
        for (where, out), row in _ROWS.items():
            rival = rate(where, out, "flexgen")
            for system, name in (("padded", "padded"), ("whole", "unpadded")):
                published = row.published[system] / row.published["flexgen"]
                found.append(
                    Cell(
                        f"throughput over FlexGen, {name}",
                        f"{where}, {out} out",
                        published,
                        rate(where, out, system) / rival,
                    )
                )
        for where in _MACHINES:
            said = _ROWS[where, 128].published
            gain = rate(where, 128, "flexgen") / rate(where, 128, "flexgen(c)")
            found.append(Cell("FlexGen over FlexGen(c), 128 out", where, said["flexgen"] / said["flexgen(c)"], gain))
        rival = rate("S1", 128, "flexgen")
        for name, (settings, published) in _POLICIES.items():
            run = self._ported(settings)
            gain = mean_step.tokens_per_s(run, lookup(run), 128) / rival
            found.append(Cell("policies, S1, 128 out, over FlexGen", name, published / 9.5, gain))
        for where in _MACHINES:
            for system in ("flexgen", "padded", "whole"):
                published = _ROWS[where, 128].published[system]
                found.append(Cell("tokens/s, 128 out", f"{where}, {system}", published, rate(where, 128, system)))
        return found

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant.assuming("pcie3-efficiency", 0.7),
            Variant.assuming("pcie3-efficiency", 0.9),
            Variant("gpu_memory_share", 0.95, {"policy.gpu_memory_share": 0.95}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._run("S1", 128, system, **variant.settings) for system in ("flexgen", "padded")]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        rival, ours = (mean_step.tokens_per_s(run, lookup(run), 128) for run in self.variant_runs(variant))
        return {"over FlexGen, S1, padded, 128 out": ours / rival}

    def notes(self) -> list[str]:
        steps = _QUICK_STEPS if self.quick else _STEPS
        return [
            f"{PADDED_TOKENS} tokens in with padding, {MEAN_TOKENS} without; {steps} decode steps in the middle are "
            "simulated, the whole is the prefill and that many times a step.",
            "Throughput is generated tokens over prefill and decode, as published.",
        ]
