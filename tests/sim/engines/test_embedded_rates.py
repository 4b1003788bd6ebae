"""Rates that are found where something changed are, to the last bit, those of filling everything anew."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from moe_cosim.hw_models.components import AccessEfficiency, Switch
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded.flatten import flatten
from moe_cosim.sim.engines.embedded.state import KernelState, new_state
from moe_cosim.sim.engines.embedded.tables import COEFFICIENT_ONE, new_tables
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory, star, unit
from moe_cosim.testing.engine.random_programs import catalogue_drams
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

NODES = 6
LANES = 5


def machine(seed: int) -> Machine:
    """Memories with a unit beside each, all around one switch; and a unit that copies between them."""
    rng = np.random.default_rng(seed)
    efficiency = AccessEfficiency((64.0, 4096.0), (0.37, 0.9), (0.5, 1.0))
    rates = rng.choice([16, 25, 25, 100], NODES) * GB_PER_S
    memories = [memory(f"m{i}", i << 30, rates[i], efficiency=efficiency, latency_ps=1000) for i in range(NODES)]
    if seed % 2:  # what a memory gives follows from the mix that meets there
        memories = [replace(part, dram=catalogue_drams()[i % 2]) for i, part in enumerate(memories)]
    units = [unit(f"u{i}", LANES, f"m{i}", float(rng.choice([np.inf, 500, 20_000]))) for i in range(NODES)]
    links = [link(f"m{i}", "s", float(rng.choice([8, 16, 50])) * GB_PER_S, 500) for i in range(NODES)]
    links += [link(f"u{i}", f"m{i}") for i in range(NODES)]
    dma = unit("dma", LANES, "m0", kind="dma")
    return star([*units, dma], memories, [*links, link("dma", "s")], Switch("s", 100, 60 * GB_PER_S))


def program(parts: Machine, seed: int) -> Program:
    """Kernels on what is near, now and then on what is far, and copies, several ranges at a time."""
    rng = np.random.default_rng(seed)
    builder = ProgramBuilder(parts)
    sizes = [1000, 4096, 4096, 50_000]
    for name, lane in parts.lanes:
        for _ in range(12):
            size, rows = int(rng.choice(sizes)), []
            for _ in range(int(rng.integers(1, 4))):
                near = parts.units[name].local_memory if rng.random() < 0.8 else f"m{rng.integers(NODES)}"
                block = int(rng.choice([0, 64]))
                if name == "dma":
                    rows += [builder.read(f"m{rng.integers(NODES)}", size), builder.write(near, size, 1 << 20)]
                else:
                    access = builder.read if rng.random() < 0.7 else builder.write
                    rows.append(access(near, size, 0, block))
            add = builder.copy if name == "dma" else builder.stream
            add(f"{name}.{lane}", *rows, busy_ps=int(rng.integers(0, 20_000)))
    return builder.build()


def moving(state: KernelState) -> list[int]:
    entries = state.heap[: int(state.counters["waiting"][0])]
    return [int(entry["slot"]) for entry in entries if entry["key"] % 2 == 0]


def filled(state: KernelState, slots: list[int]) -> dict[int, float]:
    """All flows over all contended resources, by progressive filling in one piece."""
    longest = len(state.crossing) // len(state.slot)
    takes: dict[int, dict[int, int]] = {}
    for at in slots:
        rows = state.crossing[at * longest : at * longest + int(state.slot[at]["crossings"])]
        takes[at] = {int(row["resource"]): int(row["weight"]) for row in rows}
    alone = {at: float(state.slot[at]["alone"]) for at in slots}
    contended = {
        r: float(state.resource[r]["rate"])
        for r in {r for weights in takes.values() for r in weights}
        if state.resource[r]["users"] > 1 and state.resource[r]["demand"] > state.resource[r]["limit"]
    }
    free = {r: sum(weights.get(r, 0) for weights in takes.values()) for r in contended}
    used = dict.fromkeys(contended, 0.0)
    found: dict[int, float] = {}
    level = 0.0
    while len(found) < len(slots):
        levels = {
            r: (rate - used[r]) / (free[r] / COEFFICIENT_ONE) if free[r] else math.inf for r, rate in contended.items()
        }
        still = [at for at in slots if at not in found]
        level = max(level, min([*levels.values(), *(alone[at] for at in still)]))
        stay = [at for at in still if alone[at] <= level or any(levels.get(r, math.inf) <= level for r in takes[at])]
        for r in contended:
            frozen = sum(takes[at].get(r, 0) for at in stay)
            if frozen:
                used[r] += level * (frozen / COEFFICIENT_ONE)
                free[r] -= frozen
        found |= dict.fromkeys(stay, level)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_rates_are_those_of_filling_everything_anew(seed: int) -> None:
    from moe_cosim.sim.engines.embedded.kernel import OVER, advance

    parts = machine(seed)
    flat, _ = flatten(parts, program(parts, seed), new_tables(parts))
    state = new_state(flat)
    held_back = most = 0
    while advance(flat, state, 1) != OVER:
        slots = moving(state)
        expected = filled(state, slots)
        assert {at: float(state.slot[at]["rate"]) for at in slots} == expected
        held_back += sum(rate < state.slot[at]["alone"] for at, rate in expected.items())
        most = max(most, len(slots))
    assert (state.lane["next"] == state.lane["end"]).all()
    assert held_back > 100
    assert most > 20
