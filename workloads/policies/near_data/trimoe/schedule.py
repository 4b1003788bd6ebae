"""TriMoE's scheduler of one layer: cheapest paths first, then relief of the bottleneck, compiled.

Source: TriMoE (DAC 2026, arXiv 2603.01058): makespan = max(sum of GPU, sum of CPU, max over modules d
of [sum of NDP_d + contention_d]); (1) each expert to its cheapest path; (2) find the slowest unit, try
its most expensive expert on the two other paths, apply the move that cuts the makespan most, repeat
until none does. Where the most expensive expert cannot help, the next ones are tried.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_making_arrays, compiled_part
from moe_cosim.workloads.policies.near_data.trimoe.costs import CPU, GPU, NDP

F64 = NDArray[np.float64]


@compiled_making_arrays
def schedule(
    costs: F64, place: NDArray[np.int64], drain: F64, delay: F64, modules: int, refine: bool, path: NDArray[np.int64]
) -> float:
    """Fills `path` [n] with GPU, CPU or NDP and returns the makespan.

    costs [n, 3]: ps on each path, infinite where it cannot run. place [n]: the module of a localized
    expert, -1 striped. drain [n, 3]: ps for which a path's reading of the weights keeps a module busy
    that it reads from (0 where they are not read: in the GPU already; for NDP it is part of the cost).
    delay [n]: ps that the expert's way to the GPU takes from the CPU's channels (0 for a hit).
    """
    load = np.zeros(2)  # GPU, CPU
    module = np.zeros(modules)  # NDP and contention
    count = len(place)
    for e in range(count):
        best = 0
        for p in range(1, 3):
            if costs[e, p] < costs[e, best]:
                best = p
        path[e] = best
        _put(costs, place, drain, delay, load, module, e, path[e], 1.0)
    now = _makespan(load, module)
    tried = np.empty(count, np.bool_)
    while refine:
        slowest = _slowest(load, module)
        for e in range(count):
            tried[e] = False
        moved = False
        while not moved:
            e = _dearest(costs, place, path, tried, slowest)
            if e < 0:
                break
            tried[e] = True
            best, lowest = path[e], now
            was = path[e]
            _put(costs, place, drain, delay, load, module, e, was, -1.0)
            for p in range(3):
                if p != was and costs[e, p] < np.inf:
                    _put(costs, place, drain, delay, load, module, e, p, 1.0)
                    found = _makespan(load, module)
                    _put(costs, place, drain, delay, load, module, e, p, -1.0)
                    if found < lowest * (1 - 1e-9):
                        best, lowest = p, found
            _put(costs, place, drain, delay, load, module, e, best, 1.0)
            if best != was:
                path[e] = best
                now = lowest
                moved = True
        if not moved:
            break
    return now


@compiled_making_arrays
def schedule_layers(
    costs: F64,
    place: NDArray[np.int64],
    drain: F64,
    delay: F64,
    starts: NDArray[np.int64],
    modules: int,
    refine: bool,
    path: NDArray[np.int64],
    span: F64,
) -> None:
    """As `schedule`, for layers whose experts are rows starts[c] to starts[c + 1]; fills `span` [layers], in ps,
    too.
    """
    for cell in range(len(span)):
        first, last = starts[cell], starts[cell + 1]
        here = costs[first:last], place[first:last], drain[first:last], delay[first:last]
        span[cell] = schedule(*here, modules, refine, path[first:last])


@compiled_making_arrays
def makespan(
    costs: F64, place: NDArray[np.int64], drain: F64, delay: F64, modules: int, path: NDArray[np.int64]
) -> float:
    """The formula, in ps, for given paths `path` [n]; arguments as `schedule` has them."""
    load, module = np.zeros(2), np.zeros(modules)
    for e in range(len(place)):
        _put(costs, place, drain, delay, load, module, e, path[e], 1.0)
    return _makespan(load, module)


@compiled_part
def _put(
    costs: F64, place: NDArray[np.int64], drain: F64, delay: F64, load: F64, module: F64, e: int, path: int, sign: float
) -> None:
    if path == NDP:
        module[place[e]] += sign * costs[e, NDP]
        return
    load[path] += sign * costs[e, path]
    if path == GPU:
        load[CPU] += sign * delay[e]
    if place[e] >= 0:
        module[place[e]] += sign * drain[e, path]
    else:
        for d in range(len(module)):
            module[d] += sign * drain[e, path]


@compiled_part
def _makespan(load: F64, module: F64) -> float:
    longest: float = load[GPU] if load[GPU] > load[CPU] else load[CPU]
    for d in range(len(module)):
        if module[d] > longest:
            longest = module[d]
    return longest


@compiled_part
def _slowest(load: F64, module: F64) -> int:
    """-1 the GPU, -2 the CPU, else the module."""
    worst = 0
    for d in range(1, len(module)):
        if module[d] > module[worst]:
            worst = d
    if load[0] >= module[worst] and load[0] >= load[1]:
        return -1
    return -2 if load[1] >= module[worst] else worst


@compiled_part
def _dearest(costs: F64, place: NDArray[np.int64], path: NDArray[np.int64], tried: NDArray[np.bool_], unit: int) -> int:
    """The untried expert that takes longest on the unit; -1: none left."""
    found, most = -1, -1.0
    for e in range(len(place)):
        if tried[e]:
            continue
        here = path[e] == NDP and place[e] == unit if unit >= 0 else path[e] == -1 - unit
        if here and costs[e, path[e]] > most:
            found, most = e, costs[e, path[e]]
    return found
