"""How fast the embedded engine is: ``python benchmarks/engine.py`` (by hand; a minute).

The programs look like the decoding of a mixture-of-experts model: per layer the GPU runs attention
and a gate, tells every near-data unit, which streams expert weights beside its memory while the copy
engine fetches others over the fabric, and adds up what comes back.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.random_programs import catalogue_drams
from moe_cosim.workloads.programs.program import (
    ACCESS,
    COMPUTE,
    COPY,
    EVENT,
    READ,
    SIGNAL,
    STREAM,
    TAG,
    WAIT,
    WRITE,
    Program,
)

_GB = 10**9
_EFFICIENCY = AccessEfficiency((64.0, 4096.0), (0.4, 0.9), (0.35, 0.85))
_REPEATS = 3
_TURNS = 15


def machine(ndp_units: int, drams: tuple[DramMemory, DramMemory] | None = None) -> Machine:
    """One GPU with a copy engine, a host memory, and NDP memories behind one switch; `drams` of it and of them."""
    names = [f"ndp{i}" for i in range(ndp_units)]
    units = [Unit("gpu", "gpu", ("main", "side"), "hbm", 64e6), Unit("dma", "dma", ("up",), "hbm", 4e6)]
    units += [Unit(name, "ndp", ("core",), f"{name}.mem", 256e3) for name in names]
    memories = [Memory("hbm", "hbm", 80 * _GB, 0, 40, 256, 3.35e12, _EFFICIENCY, 400_000)]
    memories += [
        Memory(f"{name}.mem", "ndp", 512 * _GB, (i + 1) << 42, 8, 256, 500e9, _EFFICIENCY, 90_000)
        for i, name in enumerate(names)
    ]
    if drams is not None:
        known = [drams[memory.kind == "ndp"] for memory in memories]
        memories = [
            replace(memory, dram=dram, efficiency=dram.efficiency(memory.channels, memory.interleave_bytes))
            for memory, dram in zip(memories, known, strict=True)
        ]
    links = [Link("g", ("gpu", "hbm"), np.inf, 1.0, 1000), Link("d", ("dma", "hbm"), np.inf, 1.0, 1000)]
    links += [Link("pcie", ("gpu", "switch"), 64e9, 0.9, 150_000)]
    for name in names:
        links.append(Link(f"{name}.local", (name, f"{name}.mem"), np.inf, 1.0, 1000))
        links.append(Link(f"{name}.cxl", (f"{name}.mem", "switch"), 64e9, 0.9, 70_000))
    return Machine("benchmark", units, memories, links, [Switch("switch", 50_000, np.inf)])


def program(parts: Machine, events: int, seed: int = 1) -> Program:
    """About `events` events, of which a third move bytes."""
    rng = np.random.default_rng(seed)
    bases = {name: memory.base_address for name, memory in parts.memories.items()}
    ndp = [unit.name for unit in parts.near_data_units]
    layers = max(events // (9 + 5 * len(ndp)), 1)
    layer = np.arange(layers)
    streams: list[np.ndarray] = []
    accesses: list[np.ndarray] = []
    rows = 0

    def table(memory: str, op: int, low: int, high: int) -> np.ndarray:
        found = np.zeros(layers, dtype=ACCESS)
        found["bytes"] = rng.integers(low, high, layers)
        found["address"] = bases[memory] + 4096 * rng.integers(0, 10**6, layers)
        found["op"], found["block_bytes"] = op, 4096
        return found

    def event(kind: int, tables: list[np.ndarray] | None = None, token: int = 0, count: int = 0) -> np.ndarray:
        nonlocal rows
        found = np.zeros(layers, dtype=EVENT)
        found["kind"], found["count"] = kind, count
        if kind in (SIGNAL, WAIT):
            found["token"] = 4 * layer + token
        else:
            found["setup_ps"], found["busy_ps"] = 2_000_000, rng.integers(10**5, 10**7, layers)
        if tables:
            accesses.append(np.stack(tables, axis=1).reshape(-1))
            found["first_access"], found["accesses"] = rows + layer * len(tables), len(tables)
            rows += layers * len(tables)
        return found

    def lane(name: tuple[str, str], *columns: np.ndarray) -> None:
        found = np.stack(columns, axis=1).reshape(-1)
        found["lane"] = parts.lanes.index(name)
        streams.append(found)

    read = table("hbm", READ, 10**6, 10**7), table("hbm", WRITE, 10**4, 10**5)
    lane(
        ("gpu", "main"),
        event(STREAM, [*read]),
        event(COMPUTE),
        event(SIGNAL, token=0),
        event(WAIT, token=1, count=len(ndp) + 1),
        event(STREAM, [table("hbm", READ, 10**4, 10**5)]),
    )
    pair = table(f"{ndp[0]}.mem", READ, 10**5, 10**6), table("hbm", WRITE, 10**5, 10**6)
    pair[1]["bytes"] = pair[0]["bytes"]
    lane(("dma", "up"), event(WAIT, token=0, count=1), event(COPY, [*pair]), event(COMPUTE), event(SIGNAL, token=1))
    for name in ndp:
        lane(
            (name, "core"),
            event(WAIT, token=0, count=1),
            event(COMPUTE),
            event(STREAM, [table(f"{name}.mem", READ, 10**5, 10**7), table("hbm", READ, 10**3, 10**4)]),
            event(STREAM, [table(f"{name}.mem", WRITE, 10**3, 10**4)]),
            event(SIGNAL, token=1),
        )
    return Program(parts.lanes, np.concatenate(streams), np.concatenate(accesses), np.zeros(1, dtype=TAG))


def crowd(events: int, flows: int, memories: int, seed: int = 1) -> tuple[Machine, Program]:
    """`flows` lanes that stream without a pause, over `memories` all of which are contended."""
    rng = np.random.default_rng(seed)
    lanes = [flows // memories + (i < flows % memories) for i in range(memories)]
    units = [
        Unit(f"ndp{i}", "ndp", tuple(f"l{k}" for k in range(count)), f"m{i}", np.inf) for i, count in enumerate(lanes)
    ]
    parts = [Memory(f"m{i}", "ndp", 512 * _GB, i << 42, 8, 256, 5e11, _EFFICIENCY, 90_000) for i in range(memories)]
    links = [Link(f"u{i}", (f"ndp{i}", f"m{i}"), np.inf, 1.0, 0) for i in range(memories)]
    links += [Link(f"c{i}", (f"m{i}", "switch"), 64e9, 0.9, 70_000) for i in range(memories)]
    parts_of = Machine("crowd", units, parts, links, [Switch("switch", 0, np.inf)])
    rows = np.zeros(events // flows * flows, dtype=EVENT)
    rows["kind"], rows["accesses"], rows["first_access"] = STREAM, 1, np.arange(len(rows))
    rows["lane"] = np.repeat(np.arange(flows), events // flows)
    accesses = np.zeros(len(rows), dtype=ACCESS)
    accesses["bytes"] = rng.integers(10**5, 10**7, len(rows))
    home = np.repeat(np.arange(memories), lanes)
    accesses["address"] = home[rows["lane"]].astype(np.uint64) << np.uint64(42)
    accesses["block_bytes"] = 4096
    return parts_of, Program(parts_of.lanes, rows, accesses, np.zeros(1, dtype=TAG))


def per_event_s(engine: EmbeddedEngine, parts: Machine, stream: Program) -> float:
    """CPU time of the fastest of some runs."""
    best = np.inf
    for _ in range(_REPEATS):
        began = time.process_time()
        engine.run(parts, stream)
        best = min(best, time.process_time() - began)
    return best / len(stream.events)


def known_dram(engine: EmbeddedEngine, ndp_units: int, events: int) -> None:
    """The same program on memories whose DRAM is known, and on those that only have its shares: turn by turn."""
    ddr4, hbm3 = (replace(dram, measured_read=None) for dram in catalogue_drams())
    told = machine(ndp_units, (hbm3, ddr4))
    shares = [replace(memory, dram=None) for memory in told.memory_list]
    plain = Machine("plain", list(told.units.values()), shares, list(told.links.values()), list(told.switches.values()))
    stream = program(plain, events)
    spent = {plain: np.inf, told: np.inf}
    for _ in range(_TURNS):
        for parts in spent:
            began = time.process_time()
            engine.run(parts, stream)
            spent[parts] = min(spent[parts], time.process_time() - began)
    cost_ns = [1e9 * each / len(stream.events) for each in spent.values()]
    print(f"{len(stream.events):,} events beside {ndp_units + 1} memories with shares: {cost_ns[0]:.0f} ns/event")
    print(f"  with known DRAM: {cost_ns[1]:.0f} ns/event, {cost_ns[1] / cost_ns[0]:.3f}x")


def main() -> None:
    engine = EmbeddedEngine()
    small = machine(4)
    engine.run(small, program(small, 100))  # compile
    for ndp_units in (4, 36):
        parts = machine(ndp_units)
        print(f"{len(parts.lanes)} lanes")
        spent: dict[int, float] = {}
        for events in (10**4, 10**5, 10**6):
            stream = program(parts, events)
            spent[events] = per_event_s(engine, parts, stream)
            cost_ns, per_s = 1e9 * spent[events], 1 / spent[events]
            print(f"  {len(stream.events):>9,} events: {cost_ns:7.0f} ns/event, {per_s:>11,.0f} events/s")
        print(f"  time per event, 1e6 against 1e4: {spent[10**6] / spent[10**4]:.2f}")
    for flows, memories in ((30, 12), (300, 120), (300, 12)):
        parts, stream = crowd(300_000, flows, memories)
        cost_s = per_event_s(engine, parts, stream)
        print(
            f"{flows} flows over {memories} contended memories: {1e9 * cost_s:.0f} ns/event, {1 / cost_s:,.0f} events/s"
        )
    for events in (10**4, 10**5):
        known_dram(engine, 36, events)


if __name__ == "__main__":
    main()
