"""Context-aware MoE on a CXL GPU-NDP system (arXiv 2512.04476): its accuracy, asked of a model small enough to measure.

The paper's accuracy is the mean of eight tasks on Mixtral-8x7B, in points. A small model of bytes has no tasks: beside
it stands the share of next bytes foretold, in points too. Signs and sizes relative to each other can be compared,
levels cannot.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.sim.accuracy.findings import chosen, cosines, exact_against, gain, mean, spread_of_bit, worth_of_bits
from moe_cosim.sim.accuracy.intervals import MeanInterval
from moe_cosim.sim.accuracy.record import StudyRecord, load_record
from moe_cosim.sim.accuracy.specialisation import specialisation
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.runs import Lookup, RunKey

_FULL_POINTS: Final = 70.03
_POINTS: Final = {("selector", 3): 69.90, ("uniform", 3): 69.71, ("selector", 2): 66.68, ("uniform", 2): 63.48}
"""Mean of eight tasks on Mixtral-8x7B, by arm and average bits."""
_COSINE_MEAN: Final = 0.89
_COSINE_LOWEST: Final = 0.82
_WIDTHS: Final = (3, 2)
_TOY: Final = "A model of 7 M parameters says nothing of the levels of one of 47 B (docs/accuracy.md)."


@registry.register("cxl-ndp-accuracy")
class CxlNdpAccuracy(Reproduction):
    """Of a study's record: no simulation is run."""

    title = "what widths cost, by the prompt (arXiv 2512.04476): eight tasks on 8x7B beside next bytes of a small model"

    def __init__(self, quick: bool, record: StudyRecord | None = None) -> None:
        super().__init__(quick)
        self._is_shipped = record is None
        self._record = record or load_record()
        self._base = self._record.base

    @classmethod
    def of_model(cls, quick: bool, model: Path, texts: Path) -> CxlNdpAccuracy:
        """The study anew, of a folder with ``NAME.held-out`` and ``NAME.train`` for every domain."""
        import click

        from moe_cosim.sim.accuracy.study import Study, StudySizes

        sizes = StudySizes(prompts_each=2, calibration_each=2, methods=("rtn",)) if quick else StudySizes()
        return cls(quick, Study(model, texts, sizes, lambda text: click.echo(text, err=True)).run())

    def runs(self) -> list[RunKey]:
        return []

    def cells(self, lookup: Lookup) -> list[Cell]:
        record, base = self._record, self._base
        full = replace(base, bits=16)
        accuracy = mean(record, "accuracy", full, "16 bits")
        found = [Cell("accuracy, points", "16 bits", _FULL_POINTS, 100 * accuracy.mean, interval=_points(accuracy))]
        for (arm, bits), points in _POINTS.items():
            own = mean(record, "accuracy", replace(base, bits=bits), arm)
            found.append(Cell("accuracy, points", f"{bits} bits, {arm}", points, 100 * own.mean, interval=_points(own)))
        for bits in _WIDTHS:
            published = _POINTS["selector", bits] - _POINTS["uniform", bits]
            own = gain(record, "accuracy", replace(base, bits=bits), "selector", "uniform")
            cell = Cell(
                "selector over uniform, points", f"{bits} bits", published, 100 * own.mean, interval=_points(own)
            )
            found.append(cell)
        layers = cosines(record)
        found.append(Cell("cosine of prompt and answer", "mean of layers", _COSINE_MEAN, float(layers.mean())))
        found.append(Cell("cosine of prompt and answer", "lowest layer", _COSINE_LOWEST, float(layers.min())))
        return found

    def variants(self) -> list[Variant]:
        """The conditions that the study measured."""
        return [
            Variant("(base)", "", {}),
            *(Variant("method", method, {"method": method}) for method in self._record.methods[1:]),
            *(Variant("gpu_experts", count, {"gpu_experts": count}) for count in (2, 6)),
            *(Variant("alpha", alpha, {"alpha": alpha}) for alpha in (0.0, 1.0)),
            *(Variant("prompt_tokens", tokens, {"prompt_tokens": tokens}) for tokens in (32, 128)),
            Variant("text", "switched", {"text": "switched"}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return []

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        """What the selector saves of the divergence from the 16-bit model, in thousandths of a nat per token."""
        found = {}
        for bits in _WIDTHS:
            condition = replace(self._base, bits=bits, **variant.settings)
            lost = mean(self._record, "divergence", condition, "selector")
            found[f"{bits}: lost"] = 1e3 * lost.mean
            for arm, what in (("uniform", "widths"), ("random", "placement"), ("global", "prompt")):
                own = gain(self._record, "divergence", condition, arm, "selector")
                found[f"{bits}: {what}"] = 1e3 * own.mean
        return found

    def notes(self) -> list[str]:
        record, method = self._record, self._record.methods[0]
        lines = [
            *([_TOY] if self._is_shipped else []),
            "Sensitivity, by average bits: divergence from the 16-bit model, 1e-3 nats per token, of the selector, and "
            "what it saves against uniform widths, random placement, and one decision for all prompts.",
            *(self._gains(bits) for bits in _WIDTHS),
            "Cosine by layer: " + ", ".join(f"{one:.3f}" for one in cosines(record)) + ".",
        ]
        for bits in _WIDTHS:
            greedy, uniform = (exact_against(record, other, bits, method) for other in ("greedy", "uniform"))
            differs = f"{bits} bits: the exact allocation differs from greedy in {greedy.differs:.1%} of layers"
            ratios = f"(its table loss: {greedy.loss_ratio:.4f} times)"
            lines.append(f"{differs} {ratios}, from uniform in {uniform.differs:.1%} ({uniform.loss_ratio:.4f} times).")
        worth = ", ".join(f"{share:.2%}" for share in worth_of_bits(record, method))
        spread = ", ".join(f"{spread_of_bit(record, method, bit):.2f}" for bit in (2, 3, 4))
        lines.append(
            f"Bits 2, 3 and 4 cut {worth} of the loss at one bit, between experts of a layer by {spread} to 1."
        )
        lines.append("Domain and expert share " + ", ".join(self._shared()) + " bits, layer by layer.")
        return lines

    def _shared(self) -> list[str]:
        """Mutual information, layer by layer."""
        prompt, answer = chosen(self._record)
        names = sorted(set(self._record.domains))
        domains = np.array([names.index(domain) for domain in self._record.domains])
        layers = specialisation((prompt + answer).astype(np.int64), domains)
        return [
            f"{one.information:.3f} (shuffled {one.shuffled:.3f}, at most {one.shuffled_most:.3f})" for one in layers
        ]

    def _gains(self, bits: int) -> str:
        condition = replace(self._base, bits=bits)
        parts = []
        for arm in ("uniform", "greedy", "dealt", "reversed", "global", "random", "inverted", "foreknown", "none kept"):
            own = gain(self._record, "divergence", condition, arm, "selector")
            parts.append(f"{arm} {1e3 * own.mean:+.2f} ± {1e3 * own.half:.2f}")
        return f"{bits} bits, above the selector, 1e-3 nats: {', '.join(parts)}."


def _points(interval: MeanInterval) -> tuple[float, float]:
    return 100 * interval.low, 100 * interval.high
