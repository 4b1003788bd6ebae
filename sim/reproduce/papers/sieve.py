"""Sieve (arXiv 2605.11277): Qwen3-30B-A3B on one B200 whose HBM computes, against the paper's other schedules.

Published, stated by the paper: up to 1.6 times PIMoE on Qwen3 with one GPU (section 7.2); a roofline of the memory is
1.8 to 4.2 times off (section 5.1). Contexts and which batch gives 1.6 it does not say. Its other models need several
GPUs, which are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import BF16
from moe_cosim.hw_models.units.bank_gemv import PS_PER_S, BankGemv
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.workloads.models.find import find_model

EXPERIMENT: Final = "sieve-qwen3-30b-a3b"
MODELS: Final = ("qwen3-30b-a3b", "gpt-oss-120b", "qwen3.5-397b-a17b")
BATCHES: Final = (4, 16, 64, 256)
_QUICK_BATCHES: Final = (16, 64)
_PROMPT_TOKENS: Final = 16
_STEPS: Final = 8
_QUICK_STEPS: Final = 2
PIMOE: Final = {"policy.table": False, "policy.attention": False}
"""A roofline's costs, and of the memory's work the experts alone."""
NO_EXPERTS, ALL_EXPERTS = {"policy.experts": "gpu"}, {"policy.experts": "memory"}
OTHERS: Final[dict[str, dict[str, Any]]] = {"PIMoE": PIMOE, "NoExp": NO_EXPERTS, "AllExp": ALL_EXPERTS}


@registry.register("sieve")
class SieveReproduction(Reproduction):
    """Four schedules at several batches."""

    title = "Sieve (arXiv 2605.11277): experts between a B200 and its computing HBM, against other schedules"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"context_tokens": (256, 512, 1024, 2048, 4096)}
    context_tokens = 512

    @property
    def batches(self) -> tuple[int, ...]:
        """Sequences at a time; few of them where it has to be quick."""
        return _QUICK_BATCHES if self.quick else BATCHES

    def runs(self) -> list[RunKey]:
        return [self._run(batch, **how) for batch in self.batches for how in ({}, *OTHERS.values())]

    def _run(self, batch: int, **settings: Any) -> RunKey:
        steps = _QUICK_STEPS if self.quick else _STEPS
        size = {
            "workload.batch": batch,
            "workload.prompt_tokens": _PROMPT_TOKENS,
            "workload.skipped_tokens": self.context_tokens - _PROMPT_TOKENS,
            "workload.output_tokens": steps + 1,
        }
        return key(EXPERIMENT, {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        gains = {batch: self._gain(lookup, batch, PIMOE, {}) for batch in self.batches}
        best = max(gains, key=gains.__getitem__)
        off = list(_off_roofline())
        figure = "time of the memory over a roofline's"
        return [
            Cell("decode throughput over PIMoE, highest", f"batch {best}", 1.6, gains[best]),
            Cell(figure, "lowest", 1.8, min(off)),
            Cell(figure, "highest", 4.2, max(off)),
        ]

    def _gain(self, lookup: Lookup, batch: int, rival: Mapping[str, Any], settings: Mapping[str, Any]) -> float:
        ours, other = self._run(batch, **settings), self._run(batch, **{**settings, **rival})
        return decode_s(lookup(other)) / decode_s(lookup(ours))

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant("context_tokens", 1024, {"workload.skipped_tokens": 1024 - _PROMPT_TOKENS}),
            Variant("attention counted", False, {"policy.attention": False}),
            Variant.assuming("hbm-pim-launch", "1 us"),
            Variant("software", "cuda-graphs", {"software": "cuda-graphs"}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        chosen = variant.settings
        return [self._run(batch, **{**chosen, **how}) for batch in self.batches for how in ({}, *OTHERS.values())]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        return {
            f"over {name}, batch {batch}": self._gain(lookup, batch, rival, variant.settings)
            for name, rival in OTHERS.items()
            for batch in self.batches
        }

    def notes(self) -> list[str]:
        return [
            f"{self.context_tokens} tokens of context; attention in the memory throughout. PIMoE is the same search by "
            "a roofline, without attention, over experts sliced alike: its own lie whole in single channels.",
            "No mini-batch attends while another's experts run, so attention takes nothing from them here.",
        ]


def _off_roofline() -> Iterator[float]:
    """Of one token of an expert, by model."""
    memory = build_machine("b200-hbm-pim", Assumptions()).units["gpu.pim"].model
    assert isinstance(memory, BankGemv)
    for name in MODELS:
        shape = find_model(name).expert
        yield float(memory.expert_ps(1, shape, BF16)) / PS_PER_S / float(memory.peak_s(1, shape, BF16))
