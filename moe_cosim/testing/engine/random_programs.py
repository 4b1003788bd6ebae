"""Hypothesis strategies: small machines (trees) and programs on them that cannot deadlock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device
from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.machine import Machine
from moe_cosim.testing.engine.machines import GB_PER_S
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

_RATES = st.sampled_from([1, 3, 7.5, 16, 100]).map(lambda rate: rate * GB_PER_S)
_LATENCIES = st.sampled_from([0, 1, 250, 1_000, 33_333])
_SIZES = st.sampled_from([0, 1, 64, 1000, 1024, 4096, 77_777])
_TIMES = st.sampled_from([0, 1, 500, 10_000, 123_456])
_SHARES = st.sampled_from([1.0, 0.9, 0.37, 0.5])
_BASE_STEP = 1 << 30


@dataclass(frozen=True)
class RandomCase:
    """Parts and steps by name, so that they can be put together in another order."""

    units: tuple[Unit, ...]
    memories: tuple[Memory, ...]
    links: tuple[Link, ...]
    switches: tuple[Switch, ...]
    steps: tuple[tuple[str, str, dict[str, Any]], ...]

    def machine(self) -> Machine:
        """Built anew, its parts in the case's order."""
        return Machine("random", self.units, self.memories, self.links, self.switches)

    def shuffled(self, seed: int) -> Machine:
        """The same machine, its parts (and the lanes within a unit) listed in another order."""
        rng = np.random.default_rng(seed)

        def mixed(parts: Sequence[Any]) -> list[Any]:
            return [parts[i] for i in rng.permutation(len(parts))]

        units = [
            Unit(u.name, u.kind, tuple(mixed(u.lanes)), u.local_memory, u.window_bytes, u.model, u.inside)
            for u in self.units
        ]
        return Machine("random", mixed(units), mixed(self.memories), mixed(self.links), mixed(self.switches))

    def program(self, machine: Machine) -> Program:
        """The case's steps on it; each lane runs its own in their order."""
        builder = ProgramBuilder(machine)
        for kind, lane, fields in self.steps:
            if kind == "compute":
                builder.compute(lane, **fields)
            elif kind == "signal":
                builder.signal(lane, fields["token"])
            elif kind == "wait":
                builder.wait(lane, fields["token"])
            else:
                rows = [
                    builder.access(name, op, size, offset, block) for name, op, size, offset, block in fields["rows"]
                ]
                add = builder.stream if kind == "stream" else builder.copy
                add(lane, *rows, busy_ps=fields["busy_ps"], setup_ps=fields["setup_ps"])
        return builder.build()


@st.composite
def cases(draw: st.DrawFn, max_steps: int = 14, internal_peaks: bool = False, drams: bool = False) -> RandomCase:
    """`internal_peaks`: some memories have one, and some units sit inside; not every engine takes that. `drams`: some
    memories say what DRAM they are."""
    switches = [
        Switch(f"s{i}", draw(_LATENCIES), draw(st.one_of(st.just(np.inf), _RATES)))
        for i in range(draw(st.integers(1, 2)))
    ]
    memories = [draw(_memory(i, internal_peaks, drams)) for i in range(draw(st.integers(1, 3)))]
    names = [m.name for m in memories]
    internal = {m.name: m.internal_peak_bytes_per_s for m in memories}
    units = [
        Unit(
            f"u{i}",
            "gpu",
            tuple(f"l{k}" for k in range(draw(st.integers(1, 2)))),
            local,
            draw(st.sampled_from([np.inf, 64.0, 1000.0, 50_000.0])),
            inside=internal[local] is not None and draw(st.booleans()),
        )
        for i, local in enumerate(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))
    ]
    links = [_draw_link(draw, "s1", "s0")] if len(switches) == 2 else []
    hubs = [s.name for s in switches]
    links += [_draw_link(draw, name, draw(st.sampled_from(hubs))) for name in names]
    links += [_draw_link(draw, u.name, draw(st.sampled_from([*hubs, u.local_memory]))) for u in units]
    lanes = [f"{u.name}.{lane}" for u in units for lane in u.lanes]
    steps = [draw(_step(lanes, names)) for _ in range(draw(st.integers(1, max_steps)))]
    return RandomCase(tuple(units), tuple(memories), tuple(links), tuple(switches), tuple(_signals_first(steps)))


def _draw_link(draw: st.DrawFn, a: str, b: str) -> Link:
    rate = draw(st.one_of(st.just(np.inf), _RATES))
    return Link(f"{a}-{b}", (a, b), rate, draw(st.sampled_from([1.0, 0.8])), draw(_LATENCIES))


@st.composite
def _memory(draw: st.DrawFn, index: int, may_have_internal_peak: bool, may_say_dram: bool) -> Memory:
    shares = sorted(draw(st.tuples(_SHARES, _SHARES)))
    efficiency = AccessEfficiency((64.0, 4096.0), (shares[0], shares[1]), (shares[0] * 0.7, shares[1] * 0.7))
    channels = draw(st.sampled_from([1, 4]))
    peak, base = draw(_RATES), index * _BASE_STEP
    internal = draw(st.sampled_from([None, None, 1, 1.5, 4])) if may_have_internal_peak else None
    return Memory(
        f"m{index}",
        "hbm",
        _BASE_STEP,
        base,
        channels,
        256,
        peak,
        efficiency,
        draw(_LATENCIES),
        internal_peak_bytes_per_s=internal and internal * peak,
        dram=draw(st.sampled_from([None, *catalogue_drams()])) if may_say_dram else None,
    )


@cache
def catalogue_drams() -> tuple[DramMemory, ...]:
    """The DRAM of some devices of the catalogue, all that is asked about which comes with the package."""
    found = []
    for name in ("host-ddr4", "h100-sxm"):
        path = catalog.find(name, "device")
        (memory,) = build_device(catalog.read(path, "device"), path, Assumptions()).memory_list
        assert memory.dram is not None
        found.append(memory.dram)
    return tuple(found)


@st.composite
def _step(draw: st.DrawFn, lanes: list[str], memories: list[str]) -> tuple[str, str, dict[str, Any]]:
    kind = draw(st.sampled_from(["compute", "stream", "stream", "copy", "signal", "wait"]))
    lane = draw(st.sampled_from(lanes))
    if kind in ("signal", "wait"):
        return kind, lane, {"token": draw(st.integers(0, 2))}
    fields: dict[str, Any] = {"busy_ps": draw(_TIMES), "setup_ps": draw(_TIMES)}
    if kind == "compute":
        return kind, lane, fields

    def row(op: int, size: int) -> tuple[str, int, int, int, int]:
        return (
            draw(st.sampled_from(memories)),
            op,
            size,
            draw(st.sampled_from([0, 100, 4096])),
            draw(st.sampled_from([0, 64, 512])),
        )

    rows = []
    for _ in range(draw(st.integers(0 if kind == "stream" else 1, 2))):
        size = draw(_SIZES)
        rows += [row(draw(st.integers(0, 1)), size)] if kind == "stream" else [row(0, size), row(1, size)]
    return kind, lane, {**fields, "rows": rows}


def _signals_first(steps: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Drop signals of a token that come after its first wait: then this order is one that works."""
    waited: set[int] = set()
    kept = []
    for kind, lane, fields in steps:
        if kind == "wait":
            waited.add(fields["token"])
        if kind != "signal" or fields["token"] not in waited:
            kept.append((kind, lane, fields))
    return kept
