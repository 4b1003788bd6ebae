"""Where TriMoE keeps its experts outside the GPU, and which of them change their place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.workloads.kv_site import attention_window_ps
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.policies.near_data.trimoe.costs import TriMoeCosts
from moe_cosim.workloads.quantization.formats import WeightFormat

F64 = NDArray[np.float64]
STRIPED_PLACE = -1

_SPARE = 0.5
"""Free places beside the experts: so much of all of them may be striped at a time."""
_HYSTERESIS = 1.25
"""An expert changes its place only for one whose prediction is this much better: the prediction of a
borderline expert swings with every step's noise."""


_MARGIN = 0.5
"""Share of a layer that its copies are planned into: they share the DRAM with the experts, and a copy that
ends after the layer delays it (at 0.5 none does; 1.0 gains no more)."""


class Homes:
    """One copy of every expert in the modules: localized in one, or striped over all.

    `place` [layers, experts] is the module's index or `STRIPED_PLACE`; `address` and `move` are of the
    copy. A place that an expert leaves can be filled again in a later layer, when the move out of it has
    ended.
    """

    def __init__(self, context: Context, weight_format: WeightFormat) -> None:
        self._plan, self._format = context.plan, weight_format
        memories = [unit.local_memory for unit in context.ndps]
        layers, experts = context.demand.layers, context.demand.num_experts
        count = len(memories)
        each = -(-layers * experts // count) + layers  # rebalancing needs room in every module
        self._free = [
            list(reversed(context.local_places("localized experts", memory, weight_format, each)))
            for memory in memories
        ]
        places = context.stripe_places("striped experts", weight_format, int(_SPARE * layers * experts))
        self._free.append(places[::-1].tolist())  # at index STRIPED_PLACE
        self._left: list[tuple[int, int]] = []
        self.place = np.broadcast_to(np.arange(experts) % count, (layers, experts)).copy()
        self.address = np.array(
            [[self._free[expert % count].pop() for expert in range(experts)] for _ in range(layers)], dtype=np.int64
        )
        self.move = np.full((layers, experts), -1, dtype=np.int64)
        self._plan.reside(weight_format, self.address)
        self._index = self._plan.format_index(weight_format)

    def copy(self, layer: int, expert: int) -> Copy:
        return Copy(self._index, int(self.address[layer, expert]), int(self.move[layer, expert]))

    def stripe(self, layer: int, expert: int, early: bool) -> None:
        self._move_to(layer, expert, STRIPED_PLACE, early)

    def localize(self, layer: int, expert: int, module: int, early: bool) -> None:
        self._move_to(layer, expert, module, early)

    def _move_to(self, layer: int, expert: int, place: int, early: bool) -> None:
        """Nothing happens where the place has no room."""
        if not self._free[place]:
            return
        source = self.copy(layer, expert)
        target = self._plan.move(layer, expert, source, self._free[place].pop(), early=early)
        self._left.append((int(self.place[layer, expert]), source.address))
        self.place[layer, expert], self.address[layer, expert] = place, target.address
        self.move[layer, expert] = target.move

    def end_of_layer(self) -> None:
        """What was left in this layer is free from the next one on."""
        for place, address in self._left:
            self._free[place].append(address)
        self._left.clear()


WINDOW = Assumption(
    "relayout-window",
    "layer",
    ("layer", "attention"),
    "what hides a change of layout. The paper says the attention/MLP window; one expert takes 1.4-1.9 ms over "
    "DIMM-Link, longer than the attention of these models at these lengths. DIMM-Link shares nothing with the experts "
    "but the DRAM, so 'layer' lets its copies run until the layer's experts are done; fetching to the GPU always has "
    "the attention alone",
    "choice",
)


@dataclass(frozen=True)
class Shadow:
    """What hides changes of layout: ps of the GPU's link and of each DIMM-Link port, per layer."""

    link_ps: float
    port_ps: float
    whole_layer: bool

    @classmethod
    def of(cls, context: Context) -> Shadow:
        layout = context.layout
        kv = layout.kv_stripes.memories if layout.kv_stripes is not None else ()
        units = layout.attention_units
        window, link = attention_window_ps(context.machine, context.model, context.workload, kv, units)
        return cls(float(max(window - link, 0)), float(window), context.choice(WINDOW) == "layer")

    def with_experts(self, experts_ps: float) -> Shadow:
        """The same where the experts of the layer take about `experts_ps`."""
        return replace(self, port_ps=_MARGIN * (self.port_ps + experts_ps)) if self.whole_layer else self


@dataclass
class Changes:
    """What moves in one layer."""

    to_gpu: list[tuple[int, int]] = field(default_factory=list)
    """(expert whose slot it takes, expert)."""
    to_stripes: list[int] = field(default_factory=list)
    to_module: list[tuple[int, int]] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    """Those of `to_module` that were striped."""
    border: float = 0.0
    """Predicted tokens that part warm from cold."""


def choose_striped(costs: TriMoeCosts, predicted: F64, candidates: NDArray[np.bool_], modules: int) -> list[int]:
    """The warm experts: so many of the most used that the slower of the CPU (they) and the modules (the rest,
    and serving the CPU) ends earliest.

    `predicted` tokens [experts]; only `candidates` count (those not on the GPU).
    """
    tokens = _whole(predicted, costs)
    ranked = np.flatnonzero(candidates)
    ranked = ranked[np.argsort(-predicted[ranked], kind="stable")]
    chance = -np.expm1(-predicted[ranked])  # of being asked for at all, for independent tokens
    on_cpu = np.cumsum(costs.cpu[0][np.maximum(tokens[ranked], 1)] * chance)
    drained = np.cumsum(np.full(len(ranked), costs.drain[0]) * chance)
    near = costs.ndp[np.maximum(tokens[ranked], 1)] * chance / modules
    ends = np.maximum(on_cpu, near.sum() - np.cumsum(near) + drained)
    count = int(np.argmin(ends)) + 1 if len(ends) and ends.min() < near.sum() else 0
    return [int(expert) for expert in ranked[:count]]


def choose_changes(
    costs: TriMoeCosts,
    predicted: F64,
    place: NDArray[np.int64],
    off_gpu: NDArray[np.bool_],
    shadow: Shadow,
    cpu: bool,
) -> Changes:
    """The most useful changes that fit in the shadow; an expert changes once at most."""
    changes = Changes()
    tokens = np.maximum(_whole(predicted, costs), 1)
    changed: set[int] = set()
    _fetch_hot(costs, predicted, place, off_gpu, shadow, changes, changed)
    ports = np.full(int(place.max(initial=0)) + 1, shadow.port_ps)
    modules = len(ports)
    local = place >= 0
    busy: F64 = np.bincount(place[local], weights=(costs.ndp[tokens] * off_gpu)[local], minlength=modules).astype(float)
    if cpu:
        striped = place == STRIPED_PLACE
        warm = np.zeros(len(place), dtype=bool)
        chosen = choose_striped(costs, predicted, off_gpu, modules)
        warm[chosen] = True
        border = predicted[chosen[-1]] if chosen else np.inf
        changes.border = float(border)
        gain = np.abs(costs.ndp[tokens] - costs.cpu[0][tokens])
        wrong = off_gpu & (
            (warm & ~striped & (predicted > border * _HYSTERESIS))
            | (~warm & striped & (predicted * _HYSTERESIS < border))
        )
        for expert in np.flatnonzero(wrong)[np.argsort(-gain[wrong], kind="stable")].tolist():
            if expert in changed:
                continue
            module = (
                int(np.argmin(busy + (ports < costs.relayout_ps) * 1e18)) if striped[expert] else int(place[expert])
            )
            if ports[module] < costs.relayout_ps:
                continue
            ports[module] -= costs.relayout_ps
            changed.add(expert)
            if striped[expert]:
                busy[module] += costs.ndp[tokens[expert]]
                changes.to_module.append((expert, module))
                changes.back.append(expert)
            else:
                busy[module] -= costs.ndp[tokens[expert]]
                changes.to_stripes.append(expert)
    _rebalance(costs, tokens, place, off_gpu, ports, busy, changes, changed)
    return changes


def _fetch_hot(
    costs: TriMoeCosts,
    predicted: F64,
    place: NDArray[np.int64],
    off_gpu: NDArray[np.bool_],
    shadow: Shadow,
    changes: Changes,
    changed: set[int],
) -> None:
    """Predicted hotter than the coldest on the GPU: they change places."""
    outside, inside = np.flatnonzero(off_gpu), np.flatnonzero(~off_gpu)
    hottest = outside[np.argsort(-predicted[outside], kind="stable")]
    coldest = inside[np.argsort(predicted[inside], kind="stable")]
    left = shadow.link_ps
    for expert, victim in zip(hottest.tolist(), coldest.tolist(), strict=False):
        fetch = costs.fetch_ps[0 if place[expert] < 0 else 1]
        if predicted[expert] <= predicted[victim] * _HYSTERESIS or left < fetch:
            return
        left -= fetch
        changed.update((expert, victim))
        changes.to_gpu.append((victim, expert))


def _rebalance(
    costs: TriMoeCosts,
    tokens: NDArray[np.int64],
    place: NDArray[np.int64],
    off_gpu: NDArray[np.bool_],
    ports: F64,
    busy: F64,
    changes: Changes,
    changed: set[int],
) -> None:
    """A cold expert from the busiest module to the idlest, while that makes the busiest one less busy."""
    while True:
        most, least = int(np.argmax(busy)), int(np.argmin(busy))
        if min(ports[most], ports[least]) < costs.relayout_ps:
            return
        gap = busy[most] - busy[least]
        here = [e for e in np.flatnonzero((place == most) & off_gpu).tolist() if e not in changed]
        fitting = [e for e in here if costs.ndp[tokens[e]] < 0.75 * gap]
        if not fitting:
            return
        expert = min(fitting, key=lambda e: (abs(costs.ndp[tokens[e]] - gap / 2), e))
        changed.add(expert)
        changes.to_module.append((expert, least))
        for module, sign in ((most, -1), (least, 1)):
            busy[module] += sign * costs.ndp[tokens[expert]]
            ports[module] -= costs.relayout_ps


def _whole(predicted: F64, costs: TriMoeCosts) -> NDArray[np.int64]:
    """Tokens as an index into the cost tables."""
    return np.minimum(np.rint(predicted).astype(np.int64), len(costs.gpu_hit) - 1)
