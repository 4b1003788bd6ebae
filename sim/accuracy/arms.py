"""Ways to share 16-bit places and bits among experts, all from the experiment's own policy.

The selector keeps some experts at 16 bits (placement) and shares bits among the others (widths); an arm changes one.
Placement is changed by what the policy is shown: another routing, or the prompt's with the experts renamed. Widths are
changed by the experiment's allocator, or by dealing the selector's widths anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.sim.accuracy.decisions import FULL, Decider, Decision, PromptRouting

Bits = NDArray[np.int64]
"""[prompts, layers, experts]."""

ARMS: Final[Mapping[str, str]] = {
    "selector": "the experiment as it is",
    "uniform": "placed by the prompt, the same bits for all others",
    "greedy": "placed by the prompt, each next bit where it cuts the loss most",
    "dealt": "placed by the prompt, the selector's widths dealt at random",
    "reversed": "placed by the prompt, the selector's widths in reverse order of importance",
    "global": "the selector on the routing of all prompts together",
    "random": "the selector on the prompt's routing, experts renamed at random",
    "inverted": "the selector on the prompt's routing, the most important expert renamed the least",
}


def decide_all(experiment: Experiment, routings: Sequence[PromptRouting]) -> list[Decision]:
    """One after the other."""
    decider = Decider(experiment)
    return [decider.decide(routing) for routing in routings]


def bits_of(decisions: Sequence[Decision]) -> Bits:
    """Of all prompts: [prompts, layers, experts]."""
    return np.stack([decision.bits for decision in decisions])


def arms(
    experiment: Experiment,
    routings: Sequence[PromptRouting],
    seed: int,
    names: Sequence[str] = tuple(ARMS),
    everywhere: PromptRouting | None = None,
) -> dict[str, Bits]:
    """The bits [prompts, layers, experts] of every prompt in each of the arms `names`.

    everywhere: the routing that is not one prompt's (default: all prompts together). Raises `InputError` as
    `Decider.decide` does, and for ``reversed`` and ``inverted`` of a policy that ranks no experts.
    """
    selected = decide_all(experiment, routings)
    made: Mapping[str, Callable[[], Bits]] = {
        "selector": lambda: bits_of(selected),
        "uniform": lambda: bits_of(decide_all(_allocated(experiment, "uniform"), routings)),
        "greedy": lambda: bits_of(decide_all(_allocated(experiment, "greedy"), routings)),
        "dealt": lambda: dealt(bits_of(selected), seed),
        "reversed": lambda: reversed_widths(bits_of(selected), _importance(experiment, selected)),
        "global": lambda: _same_for_all(experiment, everywhere or PromptRouting.joined(list(routings)), len(routings)),
        "random": lambda: bits_of(decide_all(experiment, renamed_at_random(routings, seed))),
        "inverted": lambda: bits_of(decide_all(experiment, inverted(routings, _importance(experiment, selected)))),
    }
    return {name: made[name]() for name in names}


def dealt(bits: Bits, seed: int) -> Bits:
    """Each layer's widths below `FULL` in random order; `bits` [prompts, layers, experts]."""
    draw = np.random.default_rng(seed)
    found = bits.copy()
    for prompt, layer in np.ndindex(bits.shape[:2]):
        cold = np.flatnonzero(bits[prompt, layer] < FULL)
        found[prompt, layer, cold] = draw.permutation(bits[prompt, layer, cold])
    return found


def reversed_widths(bits: Bits, importance: NDArray[np.float64]) -> Bits:
    """Each layer's widths below `FULL`, those of the most important expert to the least important one. Both arrays are
    [prompts, layers, experts].
    """
    found = bits.copy()
    for prompt, layer in np.ndindex(bits.shape[:2]):
        ranked = np.argsort(-importance[prompt, layer], kind="stable")
        cold = ranked[bits[prompt, layer, ranked] < FULL]
        found[prompt, layer, cold[::-1]] = bits[prompt, layer, cold]
    return found


def split(bits: Bits, importance: NDArray[np.float64], widths: Sequence[int]) -> Bits:
    """Each layer's experts below `FULL` at these `widths`, the first to the most important. Both arrays are [prompts,
    layers, experts].
    """
    found = bits.copy()
    for prompt, layer in np.ndindex(bits.shape[:2]):
        ranked = np.argsort(-importance[prompt, layer], kind="stable")
        found[prompt, layer, ranked[bits[prompt, layer, ranked] < FULL]] = widths
    return found


def splits(experts: int, extra: int, most: int = 4) -> list[tuple[int, ...]]:
    """All falling widths from 1 to `most` of so many experts whose bits above 1 add up to `extra`."""
    if experts == 0:
        return [()] if extra == 0 else []
    return [
        (width, *rest)
        for width in range(min(most, extra + 1), 0, -1)
        for rest in splits(experts - 1, extra - (width - 1), width)
    ]


def renamed_at_random(routings: Sequence[PromptRouting], seed: int) -> list[PromptRouting]:
    """Experts of each layer renamed at random, for each prompt anew."""
    draw = np.random.default_rng(seed)
    return [
        routing.renamed(np.stack([draw.permutation(routing.num_experts) for _ in range(routing.experts.shape[1])]))
        for routing in routings
    ]


def inverted(routings: Sequence[PromptRouting], importance: NDArray[np.float64]) -> list[PromptRouting]:
    """The most important expert of each layer under the name of the least important one, and so on. `importance`
    [prompts, layers, experts].
    """
    found = []
    for routing, ranks in zip(routings, importance, strict=True):
        ranked = np.argsort(-ranks, axis=1, kind="stable")
        names = np.empty_like(ranked)
        np.put_along_axis(names, ranked, ranked[:, ::-1], axis=1)
        found.append(routing.renamed(names))
    return found


def _allocated(experiment: Experiment, allocation: str) -> Experiment:
    return experiment.with_settings({"quantization.allocation": allocation})


def _same_for_all(experiment: Experiment, routing: PromptRouting, prompts: int) -> Bits:
    return np.repeat(Decider(experiment).decide(routing).bits[None], prompts, axis=0)


def _importance(experiment: Experiment, decisions: Sequence[Decision]) -> NDArray[np.float64]:
    found = [decision.importance for decision in decisions if decision.importance is not None]
    if len(found) < len(decisions):
        name = Plain(f"{experiment.policy.get('name')}, which ranks no experts")
        raise InputError(experiment.where, "policy", name, "a policy with importance()")
    return np.stack(found)
