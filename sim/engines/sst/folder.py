"""A folder that ``sst`` runs as it is: configurations, event streams, the elements' source, a README."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst import emit, library
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.graph import Graph
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.sim.engines.sst.graph.traffic import peer_memories, reached_memories
from moe_cosim.sim.engines.sst.ramulator import configuration
from moe_cosim.sim.engines.sst.replayed import Replayed, replayed
from moe_cosim.sim.engines.sst.streams import Stream, cut, write_stream
from moe_cosim.version import VERSION
from moe_cosim.workloads.programs.file import save_program
from moe_cosim.workloads.programs.program import Program, with_small_tokens

PYTHON_CONFIGURATION: Final = "config.py"
JSON_CONFIGURATION: Final = "config.json"
STREAMS: Final = "streams"

_REPORTS: Final = 200
"""Progress reports of each device in a run."""


@dataclass(frozen=True)
class Emitted:
    """What a folder holds."""

    folder: Path
    graph: Graph
    streams: list[Stream]
    replayed: Replayed


def write_run(
    folder: Path, machine: Machine, program: Program, line_bytes: int, memory: MemoryTiming = "shares"
) -> Emitted:
    """Configurations and streams of `program` on `machine`. Raises `InputError` where SST cannot take them."""
    asked = replayed(machine, with_small_tokens(program))
    machine, program, layout = asked.machine, asked.program, asked.layout
    streams = cut(machine, program, layout)
    events = max((len(stream.events) for stream in streams), default=0)
    reached, peers = reached_memories(machine, program, layout), peer_memories(machine, program, layout)
    options = BuildOptions(line_bytes, reached, peers, max(1, events // _REPORTS), memory)
    graph = build_graph(machine, options, layout)
    (folder / STREAMS).mkdir(parents=True, exist_ok=True)
    for stream in streams:
        write_stream(folder / STREAMS / f"{stream.device.name}.stream", machine, program, stream)
    (folder / PYTHON_CONFIGURATION).write_text(emit.python_text(graph), encoding="utf-8")
    (folder / JSON_CONFIGURATION).write_text(emit.json_text(graph), encoding="utf-8")
    if memory == "ramulator2":
        _write_ramulator(folder, machine, graph)
    return Emitted(folder, graph, streams, asked)


def _write_ramulator(folder: Path, machine: Machine, graph: Graph) -> None:
    """A file for each memory of the graph that has DRAM timings."""
    template = emit.environment().get_template("ramulator.yaml.j2")
    for component in graph.components:
        memory = machine.memories.get(component.name)
        if memory is not None and memory.dram is not None and memory.kind != "cache":
            said = configuration(memory, memory.dram)
            (folder / said.file_name).write_text(template.render(vars(said)), encoding="utf-8")


def write_share(emitted: Emitted, program: Program, source: str) -> None:
    """Add what another machine needs: the elements' source, the program, and the commands."""
    elements = emitted.folder / "elements"
    elements.mkdir(exist_ok=True)
    for path in library.sources():
        shutil.copyfile(path, elements / path.name)
    save_program(program, emitted.folder / "program.zip")
    text = (
        emit.environment()
        .get_template("README.md.j2")
        .render(
            title=emitted.graph.title,
            source=source,
            version=VERSION,
            devices=[stream.device.name for stream in emitted.streams],
            events=len(program.events),
            pieces=emitted.graph.pieces(),
            threads=min(2, emitted.graph.pieces()),
        )
    )
    (emitted.folder / "README.md").write_text(text, encoding="utf-8")
