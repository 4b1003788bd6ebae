"""One core and one memory as SST graphs: ours and SST's own, on the same traffic (for benchmarks/sst.py)."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst import emit
from moe_cosim.sim.engines.sst.folder import PYTHON_CONFIGURATION, STREAMS, Emitted
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.graph import Component, End, Graph, Statistic, SubComponent, Value
from moe_cosim.sim.engines.sst.replayed import replayed
from moe_cosim.sim.engines.sst.streams import cut, write_stream
from moe_cosim.workloads.programs.builder import ProgramBuilder

CHANNELS: Final = 16
_CHANNEL_BYTES_PER_NS: Final = 32
_LATENCY_NS: Final = 40
_INTERLEAVE: Final = 256


def one_memory(window_bytes: int) -> Machine:
    """512 GB/s over 16 channels, 40 ns away."""
    peak = CHANNELS * _CHANNEL_BYTES_PER_NS * 1e9
    flat = AccessEfficiency((64.0,), (1.0,), (1.0,))
    memory = Memory("gpu.hbm", "hbm", 1 << 34, 0, CHANNELS, _INTERLEAVE, peak, flat, _LATENCY_NS * 1000)
    unit = Unit("gpu.sm", "gpu", ("main",), "gpu.hbm", window_bytes)
    wires = [Link(f"{part}-wire", (part, "gpu.xbar"), float("inf"), 1.0, 2_500) for part in ("gpu.sm", "gpu.hbm")]
    return Machine("one memory", [unit], [memory], wires, [Switch("gpu.xbar", 0, float("inf"))])


def write_read(folder: Path, core: str, memory: str, line_bytes: int, total_bytes: int, window_bytes: int) -> Emitted:
    """A folder in which `core` (ours, miranda) reads `total_bytes` once, in order, from a back end of `memory`."""
    machine = one_memory(window_bytes)
    made = ProgramBuilder(machine)
    program = made.stream("gpu.sm.main", made.read("gpu.hbm", total_bytes)).build()
    asked = replayed(machine, program)
    graph = _with_backend(build_graph(machine, BuildOptions(line_bytes), asked.layout), memory, line_bytes)
    streams = cut(machine, program, asked.layout)
    if core == "miranda":
        graph = _with_miranda(graph, line_bytes, total_bytes, window_bytes)
        streams = []
    (folder / STREAMS).mkdir(parents=True)
    for stream in streams:
        write_stream(folder / STREAMS / "gpu.stream", machine, program, stream)
    (folder / PYTHON_CONFIGURATION).write_text(emit.python_text(graph), encoding="utf-8")
    return Emitted(folder, graph, streams, asked)


def statistic(emitted: Emitted, name: str) -> tuple[int, float]:
    """A statistic's sum after a run, and the simulated seconds that the run took."""
    with (emitted.folder / emitted.graph.statistics_file).open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["StatisticName"] == name)
    return int(row["Sum.u64"]), int(row["SimTime"]) * 1e-15  # the time base of the graph


# -- what takes the place of our own parts --------------------------------------------------


def _with_backend(graph: Graph, memory: str, line_bytes: int) -> Graph:
    """The memory with another back end in its slot. SST's own keep time by the controller's clock: 1 GHz."""
    backends: dict[str, tuple[str, dict[str, Value]]] = {
        "simpleMem": (
            "memHierarchy.simpleMem",
            {"access_time": f"{_LATENCY_NS}ns", "request_width": line_bytes, "max_requests_per_cycle": 8},
        ),
        "timingDRAM 64 B": ("memHierarchy.timingDRAM", _timing_dram(64)),
        "timingDRAM 4 KiB": ("memHierarchy.timingDRAM", _timing_dram(4096)),
    }
    if memory == "ChannelBackend":
        return graph
    type_name, parameters = backends[memory]
    slot = SubComponent("backend", type_name, {"mem_size": f"{1 << 34}B", **parameters})
    return _replaced(graph, "gpu.hbm", lambda part: _changed(part, slot, clock="1GHz", request_width=line_bytes))


def _timing_dram(width: int) -> dict[str, Value]:
    """`width`: bytes of one transaction, a channel's bus being busy for as long as the bytes take at 32 B/ns.

    64 B is a burst of HBM. 4 KiB, the whole request, is as few transactions as can be; interleaving and row
    grow with it, since SST stops (SIGFPE) at an interleaving larger than a row.
    """
    bank = "channel.rank.bank"
    return {
        "id": 0,
        "clock": "1GHz",
        "request_width": width,
        "addrMapper": "memHierarchy.roundRobinAddrMapper",
        "addrMapper.interleave_size": f"{max(_INTERLEAVE, width)}B",
        "addrMapper.row_size": f"{max(1024, width)}B",
        "printconfig": 0,
        "channels": CHANNELS,
        "channel.numRanks": 1,
        "channel.transaction_Q_size": 32,
        "channel.rank.numBanks": 16,
        f"{bank}.CL": 14,
        f"{bank}.CL_WR": 12,
        f"{bank}.RCD": 14,
        f"{bank}.TRP": 14,
        f"{bank}.dataCycles": width // _CHANNEL_BYTES_PER_NS,
        f"{bank}.transactionQ": "memHierarchy.reorderTransactionQ",
        f"{bank}.pagePolicy": "memHierarchy.simplePagePolicy",
        f"{bank}.pagePolicy.close": 0,
    }


def _with_miranda(graph: Graph, line_bytes: int, total_bytes: int, window_bytes: int) -> Graph:
    """miranda's single stream in the place of our core: as many requests under way, 8 a cycle of its own 2 GHz."""
    generator: dict[str, Value] = {
        "count": total_bytes // line_bytes,
        "length": line_bytes,
        "startat": 0,
        "max_address": total_bytes,
    }
    processor: dict[str, Value] = {
        "clock": "2GHz",
        "max_reqs_cycle": 8,
        "maxloadmemreqpending": window_bytes // line_bytes,
        "cache_line_size": line_bytes,
        "pagecount": 1 << 22,
    }
    slots = (
        SubComponent("generator", "miranda.SingleStreamGenerator", generator),
        SubComponent("memory", "memHierarchy.standardInterface"),
    )
    core = Component("gpu.core", "miranda.BaseCPU", processor, slots, (Statistic("read_reqs"),), "gpu")
    link = graph.links[0]
    ends = (End("gpu.core:memory", "lowlink"), link.ends[1])
    graph = dataclasses.replace(graph, links=(dataclasses.replace(link, ends=ends),))
    return _replaced(graph, "gpu.core", lambda _: core)


def _changed(part: Component, slot: SubComponent, **parameters: Value) -> Component:
    return dataclasses.replace(part, children=(slot,), parameters={**part.parameters, **parameters})


def _replaced(graph: Graph, name: str, change: Callable[[Component], Component]) -> Graph:
    components = tuple(change(part) if part.name == name else part for part in graph.components)
    return dataclasses.replace(graph, components=components)
