"""What a study says: gains, cosines, and how the exact allocation compares with others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.accuracy.decisions import FULL
from moe_cosim.sim.accuracy.intervals import MeanInterval, t_interval
from moe_cosim.sim.accuracy.record import StudyCondition, StudyRecord
from moe_cosim.workloads.quantization.allocation import allocators, total_loss


def gain(record: StudyRecord, name: str, condition: StudyCondition, worse: str, better: str) -> MeanInterval:
    """How much more arm `worse` has of a value than arm `better`, on the same prompts."""
    return t_interval(record.values(name, condition, worse) - record.values(name, condition, better))


def mean(record: StudyRecord, name: str, condition: StudyCondition, arm: str) -> MeanInterval:
    """Of one arm."""
    return t_interval(record.values(name, condition, arm))


def chosen(record: StudyRecord) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[prompts, layers, experts] how many tokens of the prompt, and of the answer, chose each expert."""
    experts, prompt = record.arrays["experts"], record.base.prompt_tokens
    count = record.arrays["bits"].shape[3]
    hits = experts[..., None] == np.arange(count)
    return hits[:, :prompt].sum(axis=(1, 3)).astype(float), hits[:, prompt:].sum(axis=(1, 3)).astype(float)


def cosines(record: StudyRecord) -> NDArray[np.float64]:
    """[layers] between what a prompt and its answer choose, mean over prompts."""
    prompt, answer = chosen(record)
    lengths = np.linalg.norm(prompt, axis=2) * np.linalg.norm(answer, axis=2)
    found: NDArray[np.float64] = ((prompt * answer).sum(axis=2) / lengths).mean(axis=0)
    return found


@dataclass(frozen=True)
class Comparison:
    """The exact allocation beside another, over all prompts and layers of the base."""

    differs: float
    """Share of layers with other widths."""
    loss_ratio: float
    """The other's summed table loss over the exact one's."""


def exact_against(record: StudyRecord, other: str, bits: int, method: str) -> Comparison:
    """The allocator of arXiv 2512.04476 against `other`, on experts that the selector left below 16 bits."""
    condition = StudyCondition(record.methods[0], bits)
    selected = record.arrays["bits"][record.row(condition, "selector")]
    table = record.arrays["losses"][record.methods.index(method)]
    exact, against = allocators.get("prefix", "study")(), allocators.get(other, "study")()
    different, losses = 0, np.zeros(2)
    for prompt, layer in np.ndindex(selected.shape[:2]):
        cold = np.flatnonzero(selected[prompt, layer] < FULL)
        ranks, own = record.arrays["importance"][prompt, layer, cold], table[layer, cold]
        first, second = (one.allocate(ranks, own, bits) for one in (exact, against))
        different += bool((first != second).any())
        losses += total_loss(own, first), total_loss(own, second)
    return Comparison(different / (selected.shape[0] * selected.shape[1]), float(losses[1] / losses[0]))


def worth_of_bits(record: StudyRecord, method: str) -> NDArray[np.float64]:
    """[3] what the second, third and fourth bit cut of the loss, of the loss at one bit: sums over all experts."""
    total = record.arrays["losses"][record.methods.index(method)].sum(axis=(0, 1))
    found: NDArray[np.float64] = -np.diff(total) / total[0]
    return found


def spread_of_bit(record: StudyRecord, method: str, bit: int) -> float:
    """How differently experts of one layer value a bit: the largest cut over the smallest that is one, median over
    layers."""
    table = record.arrays["losses"][record.methods.index(method)]
    cuts = table[:, :, bit - 2] - table[:, :, bit - 1]
    return float(np.median(cuts.max(axis=1) / np.where(cuts > 0, cuts, np.inf).min(axis=1)))
