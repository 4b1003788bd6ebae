"""Which of TriMoE's experts change their place in a layer, compiled: the layers of a step one after the other.

What is decided for a layer hangs on its own prediction; the free places are those of all layers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

STRIPED_PLACE: Final = -1
"""Index of the stripes among the modules, as Python counts from the end."""

_HYSTERESIS: Final = 1.25
"""An expert changes its place only for one whose prediction is this much better: the prediction of a
borderline expert swings with every step's noise."""


class ExpertPlaces(NamedTuple):
    """Where the experts lie."""

    place: I64
    """[layers, experts] of the copy outside the GPU: a module's index, or `STRIPED_PLACE`."""
    address: I64
    """[layers, experts] of that copy."""
    hot: NDArray[np.bool_]
    """[layers, experts] whether the GPU has a copy too,"""
    slot: I64
    """[layers, experts] and the address of that."""
    free: I64
    """[modules + 1, places] addresses, the last row striped; used from the end."""
    free_count: I64
    """[modules + 1]"""
    left: I64
    """[2, experts] places and addresses left in this layer,"""
    left_count: I64
    """[1] and how many."""


class Forecast(NamedTuple):
    """What is predicted for some layers, [layers, experts] but for `near_ps`; a time is for the expert's tokens."""

    layer: I64
    """[layers] which ones."""
    tokens: F64
    ndp_ps: F64
    cpu_ps: F64
    chance: F64
    """Of being asked for at all."""
    hottest: I64
    """Experts, the most tokens first."""
    coldest: I64
    """Experts, the least tokens first."""
    gain: I64
    """Experts, those first for which module and CPU differ most."""
    near_ps: F64
    """[layers] of all experts off the GPU, were they in the modules, over the number of modules."""


class Shadows(NamedTuple):
    """What hides changes: ps of the GPU's link, and of each module's port by layer; and what a change takes of them."""

    link_ps: float
    port_ps: F64
    """[layers]"""
    fetch_striped_ps: float
    fetch_local_ps: float
    relayout_ps: float
    drain_ps: float
    """Of each module, for a striped expert that the CPU reads."""
    cpu: bool
    """Whether there is one to stripe for."""


class Moved(NamedTuple):
    """Moves in order: `counts` [3] of them, of changes decided, and of those that the step then proved right."""

    counts: I64
    cell: I64
    expert: I64
    source: I64
    target: I64
    to_gpu: NDArray[np.bool_]

    @classmethod
    def room_for(cls, moves: int) -> Moved:
        """None yet."""
        cell, expert, source, target = (np.empty(moves, np.int64) for _ in range(4))
        return cls(np.zeros(3, np.int64), cell, expert, source, target, np.zeros(moves, np.bool_))


@compiled
def stripe_warm(forecast: Forecast, places: ExpertPlaces, drain_ps: float, moved: Moved) -> None:
    """Each layer's warm experts go from their modules into stripes."""
    for cell in range(len(forecast.layer)):
        layer = forecast.layer[cell]
        warm, seen = _warm(forecast, places, cell, drain_ps, len(places.free_count) - 1), 0
        for expert in forecast.hottest[cell]:
            if seen < warm and not places.hot[layer, expert]:
                seen += 1
                _relocate(places, cell, layer, expert, STRIPED_PLACE, moved)
        _end_of_layer(places)


@compiled
def change_layouts(
    forecast: Forecast,
    places: ExpertPlaces,
    shadows: Shadows,
    counts: F64,
    scratch: I64,
    busy: F64,
    ports: F64,
    moved: Moved,
) -> None:
    """The most useful changes of each layer that fit in its shadow; an expert changes once at most.

    `counts` [layers, experts] are the tokens that come, by which the changes are judged. `scratch` is [7, experts],
    `busy` and `ports` [modules].
    """
    changed = scratch[0]
    for cell in range(len(forecast.layer)):
        changed[:] = 0
        layer = forecast.layer[cell]
        swaps = _fetch_hot(forecast, places, shadows, cell, scratch)
        modules = 0
        for expert in range(counts.shape[1]):
            modules = max(modules, places.place[layer, expert])
        modules += 1
        busy[:modules], ports[:modules] = 0.0, shadows.port_ps[cell]
        for expert in range(counts.shape[1]):
            if places.place[layer, expert] >= 0 and not places.hot[layer, expert]:
                busy[places.place[layer, expert]] += forecast.ndp_ps[cell, expert]
        stripes, to_module, border = 0, 0, np.inf
        if shadows.cpu:
            stripes, to_module, border = _warm_and_cold(
                forecast, places, shadows, cell, modules, scratch, busy[:modules], ports[:modules]
            )
        back = to_module
        to_module = _rebalance(forecast, places, shadows, cell, scratch, busy[:modules], ports[:modules], to_module)
        # was each migration right about the step it is made for? A fetched expert: at least as many tokens as the
        # one it replaces; a striped one: enough for the CPU, by the predicted border; one that went back: not enough
        moved.counts[1] += swaps + stripes + back
        for at in range(swaps):
            victim, expert = scratch[1, at], scratch[2, at]
            moved.counts[2] += counts[cell, expert] >= counts[cell, victim]
            moved.to_gpu[moved.counts[0]] = True
            _write(moved, cell, expert, places.address[layer, expert], places.slot[layer, victim])
            places.slot[layer, expert] = places.slot[layer, victim]
            places.hot[layer, victim], places.hot[layer, expert] = False, True
        for at in range(stripes):
            expert = scratch[3, at]
            moved.counts[2] += counts[cell, expert] >= border
            _relocate(places, cell, layer, expert, STRIPED_PLACE, moved)
        for at in range(to_module):
            expert = scratch[4, at]
            if at < back:
                moved.counts[2] += counts[cell, expert] <= border
            _relocate(places, cell, layer, expert, scratch[5, at], moved)
        _end_of_layer(places)


@compiled_part
def _fetch_hot(forecast: Forecast, places: ExpertPlaces, shadows: Shadows, cell: int, scratch: I64) -> int:
    """Predicted hotter than the coldest on the GPU: they change places. How many do."""
    layer, swaps, cold = forecast.layer[cell], 0, 0
    tokens, left, experts = forecast.tokens[cell], shadows.link_ps, forecast.tokens.shape[1]
    for expert in forecast.hottest[cell]:
        if places.hot[layer, expert]:
            continue
        while cold < experts and not places.hot[layer, forecast.coldest[cell, cold]]:
            cold += 1
        if cold == experts:
            break
        victim = forecast.coldest[cell, cold]
        cold += 1
        fetch = shadows.fetch_striped_ps if places.place[layer, expert] < 0 else shadows.fetch_local_ps
        if tokens[expert] <= tokens[victim] * _HYSTERESIS or left < fetch:
            break
        left -= fetch
        scratch[0, expert] = scratch[0, victim] = 1
        scratch[1, swaps], scratch[2, swaps] = victim, expert
        swaps += 1
    return swaps


@compiled_part
def _warm(forecast: Forecast, places: ExpertPlaces, cell: int, drain_ps: float, modules: int) -> int:
    """So many of the most used experts off the GPU that the slower of the CPU (they) and the modules (the rest, and
    serving the CPU) ends earliest."""
    layer, all_near = forecast.layer[cell], forecast.near_ps[cell]
    on_cpu, near, drained, seen, found, lowest = 0.0, 0.0, 0.0, 0, 0, all_near
    for expert in forecast.hottest[cell]:
        if places.hot[layer, expert]:
            continue
        chance = forecast.chance[cell, expert]
        on_cpu += forecast.cpu_ps[cell, expert] * chance
        drained += drain_ps * chance
        near += forecast.ndp_ps[cell, expert] * chance / modules
        seen += 1
        ends = max(on_cpu, all_near - near + drained)
        if ends < lowest:
            found, lowest = seen, ends
    return found


@compiled_part
def _warm_and_cold(
    forecast: Forecast,
    places: ExpertPlaces,
    shadows: Shadows,
    cell: int,
    modules: int,
    scratch: I64,
    busy: F64,
    ports: F64,
) -> tuple[int, int, float]:
    """Warm experts into stripes, cold ones back to the idlest module. How many of each, and the predicted tokens that
    part them."""
    layer, tokens, warm = forecast.layer[cell], forecast.tokens[cell], scratch[6]
    warm[:] = 0
    chosen, seen, border = _warm(forecast, places, cell, shadows.drain_ps, modules), 0, np.inf
    for expert in forecast.hottest[cell]:
        if seen < chosen and not places.hot[layer, expert]:
            seen += 1
            warm[expert], border = 1, tokens[expert]
    stripes = to_module = 0
    for expert in forecast.gain[cell]:
        place = places.place[layer, expert]
        if places.hot[layer, expert] or scratch[0, expert] == 1:
            continue
        if place >= 0:
            wrong = warm[expert] == 1 and tokens[expert] > border * _HYSTERESIS
        else:
            wrong = warm[expert] == 0 and tokens[expert] * _HYSTERESIS < border
        if not wrong:
            continue
        module = place if place >= 0 else _idlest(busy, ports, shadows.relayout_ps)
        if ports[module] < shadows.relayout_ps:
            continue
        ports[module] -= shadows.relayout_ps
        scratch[0, expert] = 1
        if place >= 0:
            busy[module] -= forecast.ndp_ps[cell, expert]
            scratch[3, stripes] = expert
            stripes += 1
        else:
            busy[module] += forecast.ndp_ps[cell, expert]
            scratch[4, to_module], scratch[5, to_module] = expert, module
            to_module += 1
    return stripes, to_module, border


@compiled_part
def _idlest(busy: F64, ports: F64, relayout_ps: float) -> int:
    """Of the modules that still have time for a move, if any has."""
    found, lowest = 0, np.inf
    for module in range(len(busy)):
        here = busy[module] + (1e18 if ports[module] < relayout_ps else 0.0)
        if here < lowest:
            found, lowest = module, here
    return found


@compiled_part
def _rebalance(
    forecast: Forecast,
    places: ExpertPlaces,
    shadows: Shadows,
    cell: int,
    scratch: I64,
    busy: F64,
    ports: F64,
    found: int,
) -> int:
    """A cold expert from the busiest module to the idlest, while that makes the busiest one less busy. After `found`
    changes, how many there are."""
    layer = forecast.layer[cell]
    while True:
        most, least = 0, 0
        for module in range(len(busy)):
            most = module if busy[module] > busy[most] else most
            least = module if busy[module] < busy[least] else least
        if min(ports[most], ports[least]) < shadows.relayout_ps:
            return found
        gap, expert, nearest = busy[most] - busy[least], -1, np.inf
        for other in range(len(scratch[0])):
            if places.place[layer, other] != most or places.hot[layer, other] or scratch[0, other] == 1:
                continue
            takes = forecast.ndp_ps[cell, other]
            if takes < 0.75 * gap and abs(takes - gap / 2) < nearest:
                expert, nearest = other, abs(takes - gap / 2)
        if expert < 0:
            return found
        scratch[0, expert] = 1
        scratch[4, found], scratch[5, found] = expert, least
        found += 1
        busy[most] -= forecast.ndp_ps[cell, expert]
        ports[most] -= shadows.relayout_ps
        busy[least] += forecast.ndp_ps[cell, expert]
        ports[least] -= shadows.relayout_ps


@compiled_part
def _relocate(places: ExpertPlaces, cell: int, layer: int, expert: int, place: int, moved: Moved) -> None:
    """Nothing happens where the place has no room."""
    if places.free_count[place] == 0:
        return
    places.free_count[place] -= 1
    target, at = places.free[place, places.free_count[place]], places.left_count[0]
    _write(moved, cell, expert, places.address[layer, expert], target)
    places.left[0, at], places.left[1, at] = places.place[layer, expert], places.address[layer, expert]
    places.left_count[0] += 1
    places.place[layer, expert], places.address[layer, expert] = place, target


@compiled_part
def _end_of_layer(places: ExpertPlaces) -> None:
    """What was left in this layer is free from the next one on, when the move out of it has ended."""
    for at in range(places.left_count[0]):
        place = places.left[0, at]
        places.free[place, places.free_count[place]] = places.left[1, at]
        places.free_count[place] += 1
    places.left_count[0] = 0


@compiled_part
def _write(moved: Moved, cell: int, expert: int, source: int, target: int) -> None:
    at = moved.counts[0]
    moved.cell[at], moved.expert[at], moved.source[at], moved.target[at] = cell, expert, source, target
    moved.counts[0] += 1
