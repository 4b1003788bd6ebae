"""One layer of one step on a machine of round numbers, event by event."""

from __future__ import annotations

from typing import Final

import numpy as np

from moe_cosim.hw_models.components import Switch, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.makespan.engine import MakespanEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import PURPOSES, Program

US: Final = 1_000_000
"""In ps."""
MB: Final = 1_000_000
ROWS: Final = 25_000
"""Bytes of activations each way: 1 us at 25 GB/s."""


def _unit(name: str, kind: str, local: str, lanes: tuple[str, ...] = ("l",)) -> Unit:
    return Unit(name, kind, lanes, local, np.inf)


def machine() -> Machine:
    """A GPU at 40 GB/s of a host; two modules of 100 GB/s inside, 25 GB/s to the host."""
    units = [
        _unit("gpu", "gpu", "hbm"),
        _unit("dma", "dma", "hbm", ("weights", "rows", "ahead")),
        _unit("cpu", "cpu", "hbm"),
        _unit("n0", "ndp", "d0"),
        _unit("n1", "ndp", "d1"),
    ]
    memories = [
        memory("hbm", 0, 1000 * GB_PER_S),
        memory("d0", 1 << 30, 100 * GB_PER_S),
        memory("d1", 1 << 31, 100 * GB_PER_S),
    ]
    links = [
        *(link(name, "card") for name in ("gpu", "dma", "hbm")),
        *(link(f"n{index}", f"d{index}") for index in (0, 1)),
        *(link(f"d{index}", "hub", 25 * GB_PER_S) for index in (0, 1)),
        link("card", "hub", 40 * GB_PER_S),
        link("cpu", "hub"),
    ]
    return Machine("layer", units, memories, links, [Switch(name, 0, np.inf) for name in ("card", "hub")])


def program(early: str = "", fetched: int = MB, served: bool = True) -> Program:
    """Attention 10 us and gate 1 us, then a fetched expert on the GPU (5 us), one striped on the CPU (8 us; with
    `served` its weights are read), one on n0 (3 us), one on n1 (38 us) whose rows go and come; combining 2 us.

    `early`: the fetch starts before the "attention", or behind it and before the "gate".
    """
    builder = ProgramBuilder(machine())
    tag = {name: builder.tag(1, PURPOSES.index(name)) for name in PURPOSES}
    gate, fetched_token, begun, there, done, back = range(6)
    expert, rows = tag["expert"], tag["dispatch"]
    for name, busy_ps in (("attention", 10 * US), ("gate", US)):
        if early == name:
            builder.signal("gpu.l", begun)
        builder.compute("gpu.l", busy_ps, tag=tag[name])
    builder.signal("gpu.l", gate)
    builder.wait("gpu.l", fetched_token).stream("gpu.l", builder.read("hbm", MB), busy_ps=5 * US, tag=expert)
    builder.wait("gpu.l", back).compute("gpu.l", 2 * US, tag=tag["combine"])

    builder.wait("dma.weights", begun if early else gate)
    ends = builder.read("d0", fetched), builder.write("hbm", fetched)
    builder.copy("dma.weights", *ends, tag=tag["move weights"]).signal("dma.weights", fetched_token)

    out = builder.read("hbm", ROWS)._replace(what=1), builder.write("d1", ROWS)._replace(what=1)
    home = builder.read("d1", ROWS)._replace(what=1), builder.write("hbm", ROWS)._replace(what=1)
    builder.wait("dma.rows", gate).copy("dma.rows", *out, tag=rows).signal("dma.rows", there)
    builder.wait("dma.rows", done).copy("dma.rows", *home, tag=rows).signal("dma.rows", back)

    striped = [builder.read(name, MB // 2) for name in ("d0", "d1")] if served else []
    builder.wait("cpu.l", gate).stream("cpu.l", *striped, busy_ps=8 * US, tag=expert)
    builder.wait("n0.l", gate).stream("n0.l", builder.read("d0", MB), busy_ps=3 * US, tag=expert)
    builder.wait("n1.l", there).stream("n1.l", builder.read("d1", MB), busy_ps=38 * US, tag=expert)
    builder.signal("n1.l", done)
    return builder.build()


def added_up(model: str, each: Program) -> Timeline:
    return MakespanEngine(model).run(machine(), each)


def path_us(each: Program, timeline: Timeline) -> dict[str, float]:
    """By unit."""
    assert timeline.path_ps is not None
    found: dict[str, float] = {}
    for event, time_ps in zip(each.events, timeline.path_ps.tolist(), strict=True):
        unit = each.lanes[event["lane"]][0]
        found[unit] = found.get(unit, 0.0) + time_ps / US
    return {unit: time for unit, time in found.items() if time}
