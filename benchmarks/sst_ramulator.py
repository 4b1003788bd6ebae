"""Ramulator 2.0 in SST beside our own element and the embedded engine: ``python benchmarks/sst_ramulator.py --record``.

Programs on DDR4 and DDR5, refresh of all banks, each run on real SST by memHierarchy's back end for Ramulator and by
``moecosim.CommandBackend``: an SST that was built with Ramulator 2.0 is on the PATH (minutes). With ``--record`` what
both said is kept in ``benchmarks/recorded/ramulator2.json``, from which the table in docs/agreement.md is printed
(make docs), with what the embedded engine says then. Without, the table is printed here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import fingerprint
from moe_cosim.sim.crosscheck.independent.all_cases import independent_cases
from moe_cosim.sim.crosscheck.independent.told import with_dram, with_memories
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.sim.engines.sst.installation import find_installation
from moe_cosim.sim.engines.sst.library import sources
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.whole_file import write_whole
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

RECORDED: Final = Path(__file__).parent / "recorded" / "ramulator2.json"
_MEMORIES: Final[tuple[MemoryTiming, ...]] = ("ramulator2", "commands")
_LINE_BYTES: Final = 64
_CHANNELS: Final = 4
_MOVED_BYTES: Final = 4 << 20
_RANDOM_READS: Final = 1 << 14
_STANDARDS: Final = {"ddr5-4800": "DDR5-4800", "ddr4-3200": "DDR4-3200"}
_MAPPING: Final = "RoRaBaCoBgPc"
_QUEUE: Final = 32
"""Ramulator's hold 33."""
_CASES: Final = (
    "ddr5-read-one-stream",
    "ddr5-write-one-stream",
    "ddr5-many-short-reads",
    "ddr5-two-lanes-one-memory",
    "ddr5-long-beside-short",
    "ddr5-read-beside-write",
    "ddr5-three-operands",
)
"""Of the independent suite, whose controllers have queues of 128."""


@dataclass(frozen=True)
class Compared:
    """One program."""

    name: str
    line_bytes: int
    build: Callable[[], tuple[Machine, Program]]


def compared() -> Iterator[Compared]:
    patterns: dict[str, Callable[[ProgramBuilder], ProgramBuilder]] = {
        "sequential reads": lambda made: made.stream("dev.core.main", made.read("dev.mem", _MOVED_BYTES)),
        "sequential writes": lambda made: made.stream("dev.core.main", made.write("dev.mem", _MOVED_BYTES)),
        "random reads": random_reads,
    }
    for standard, title in _STANDARDS.items():
        for pattern, fill in patterns.items():

            def build(standard: str = standard, fill: Any = fill) -> tuple[Machine, Program]:
                machine = device(standard)
                return machine, fill(ProgramBuilder(machine)).build()

            yield Compared(f"{title}, {pattern}", _LINE_BYTES, build)
    cases = independent_cases()
    for name in _CASES:
        yield Compared(f"`{name}`", cases[name].line_bytes, cases[name].build)


def device(standard: str) -> Machine:
    """One core beside four channels, with a window that keeps all queues full."""
    flat = AccessEfficiency((64.0,), (1.0,), (1.0,))
    memory = Memory("dev.mem", "ndp", 1 << 34, 1 << 40, _CHANNELS, 256, 1e9, flat, 0)
    unit = Unit("dev.core", "ndp", ("main",), memory.name, 1 << 20)
    wires = [Link(f"{part.name}-wire", (part.name, "dev.x"), float("inf"), 1.0, 1000) for part in (unit, memory)]
    plain = Machine("four channels", [unit], [memory], wires, [Switch("dev.x", 0, float("inf"))])
    controller = Controller(_MAPPING, _QUEUE, _QUEUE, refresh="all-bank")
    return with_memories(plain, lambda each: with_dram(each, read_standard(standard), controller))


def random_reads(made: ProgramBuilder) -> ProgramBuilder:
    """Single lines at random places, as parts of one kernel."""
    places = np.random.default_rng(5).integers(0, (1 << 34) // _LINE_BYTES, _RANDOM_READS) * _LINE_BYTES
    for number, place in enumerate(places.tolist()):
        access = made.read("dev.mem", _LINE_BYTES, place, _LINE_BYTES)
        (made.go_on if number else made.stream)("dev.core.main", access)
    return made


def on_sst(each: Compared, memory: MemoryTiming) -> int:
    """Total ps."""
    machine, program = each.build()
    return SstEngine(SstOptions(line_size=each.line_bytes, memory=memory)).run(machine, program).total_ps


def record(ramulator: str) -> dict[str, Any]:
    rows = {}
    for each in compared():
        machine, program = each.build()
        times = {f"{memory}_ps": on_sst(each, memory) for memory in _MEMORIES}
        rows[each.name] = {"fingerprint": fingerprint(machine, program, True), **times}
        print(each.name, times, file=sys.stderr, flush=True)
    return {"sst": find_installation().version, "ramulator": ramulator, "elements": elements(), "rows": rows}


def elements() -> str:
    """Digest of our elements' sources."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()[:12]


def table(said: dict[str, Any] | None = None) -> str:
    """In Markdown. Raises `ValueError` for what was recorded of another program."""
    said = said or json.loads(RECORDED.read_text(encoding="utf-8"))
    versions = f"SST {said['sst']}, {said['ramulator']}, elements {said['elements']}"
    lines = [f"| {versions} | `ramulator2` | over `commands` | embedded engine over it |", "|---|---|---|---|"]
    for each in compared():
        machine, program = each.build()
        row = said["rows"].get(each.name)
        if row is None or row["fingerprint"] != fingerprint(machine, program, True):
            raise ValueError(f"{each.name}: recorded of another program; benchmarks/sst_ramulator.py --record")
        embedded_ps = EmbeddedEngine(line_bytes=each.line_bytes).run(machine, program).total_ps
        total_ps = row["ramulator2_ps"]
        over, by_engine = total_ps / row["commands_ps"] - 1, embedded_ps / total_ps - 1
        lines.append(f"| {each.name} | {total_ps / 1e6:.2f} us | {100 * over:+.1f} % | {100 * by_engine:+.1f} % |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep what SST says")
    parser.add_argument("--ramulator", default="Ramulator 2.0", help="which one this SST was built with")
    asked = parser.parse_args()
    said = record(asked.ramulator)
    if asked.record:
        write_whole(RECORDED, (json.dumps(said, indent=1) + "\n").encode())
    print(table(said))


if __name__ == "__main__":
    main()
