"""MoE-Gen (arXiv 2503.09716): Mixtral-8x7B on an A5000 with 512 GB of host memory, by GPU alone and with the CPU.

Published: throughputs of tables 6 and 7 (configuration C2, prompts of 512 tokens). The batch is what the host's memory
holds, which the paper says without the number; the share of the CPU in (H) is where its appendix has it break even.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.copies import LINK_EFFICIENCIES, slower_copies
from moe_cosim.sim.reproduce.mean_step import decode_s, window
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

PROMPT_TOKENS: Final = 512
CPU_SHARE: Final = 0.6
_NAME: Final = "moe-gen-mixtral-8x7b-a5000"
_BATCHES: Final = {256: 3840, 1024: 1920}
"""By output length: keys and values of 131,072 bytes a token beside the model's 93 GB in 480 of the 512 GB; the others
are for rows of prompts (16 GB) and the system. The paper says neither."""
_PUBLISHED: Final = {(256, "G"): 195.0, (256, "H"): 469.0, (1024, "G"): 93.0, (1024, "H"): 283.0}
_PREFILL: Final = 2790.0
_STEPS: Final = 2


@registry.register("moe-gen")
class MoeGenReproduction(Reproduction):
    """Two variants at two output lengths."""

    title = "MoE-Gen (arXiv 2503.09716): module-based batching of Mixtral-8x7B on an A5000"
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "cpu_share": (0.4, 0.5, CPU_SHARE, 0.7, 0.8),
        "micro_batch": (32, 64, 128),
        "link_efficiency": LINK_EFFICIENCIES,
    }
    cpu_share = CPU_SHARE
    """In (H)."""
    micro_batch = 64
    link_efficiency: float | None = None
    """That copies reach of the link; None: the machine's."""

    def runs(self) -> list[RunKey]:
        return [self._run(out, variant) for out, variant in _PUBLISHED]

    def _run(self, out: int, variant: str, **settings: Any) -> RunKey:
        steps = 1 if self.quick else _STEPS
        size = {
            "workload.batch": _BATCHES[out],
            **window(out, steps),
            "policy.cpu_share": self.cpu_share if variant == "H" else 0.0,
            "policy.micro_batch": self.micro_batch,
            **slower_copies("gpu-host", self.link_efficiency),
        }
        return key(_NAME, {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(out: int, variant: str) -> float:
            return _BATCHES[out] / decode_s(lookup(self._run(out, variant)))

        found = [
            Cell("decode, tokens/s", f"({variant}), {out} out", published, rate(out, variant))
            for (out, variant), published in _PUBLISHED.items()
        ]
        for out in _BATCHES:
            published = _PUBLISHED[out, "H"] / _PUBLISHED[out, "G"]
            found.append(Cell("decode, (H) over (G)", f"{out} out", published, rate(out, "H") / rate(out, "G")))
        prompt = _BATCHES[256] * PROMPT_TOKENS / lookup(self._run(256, "H")).time_to_first_token_s
        return [*found, Cell("prefill, tokens/s", "both", _PREFILL, prompt)]

    def variants(self) -> list[Variant]:
        shares = [Variant("cpu_share", share, {"policy.cpu_share": share}) for share in (0.3, 0.9)]
        return [
            Variant("(default set)", "", {}),
            *shares,
            Variant("micro_batch", 32, {"policy.micro_batch": 32}),
            Variant.assuming("ddr4-3200-host-share", 0.6),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._run(256, "H", **variant.settings)]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        (run,) = self.variant_runs(variant)
        return {"decode, tokens/s, (H), 256 out": _BATCHES[256] / decode_s(lookup(run))}

    def notes(self) -> list[str]:
        return [
            f"{PROMPT_TOKENS} tokens in; {1 if self.quick else _STEPS} decode steps in the middle are simulated.",
            f"{_BATCHES[256]} sequences of 256 out, {_BATCHES[1024]} of 1024: what 512 GB hold beside the model.",
        ]
