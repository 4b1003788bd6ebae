"""SST's own timing of DRAM beside rows of a cycle-level simulator: ``python benchmarks/sst_dram.py --data FILE.csv``.

One channel behind one core that asks for the row's accesses in their order, on real SST, by ``moecosim.CommandBackend``
(``--memory commands``) or ``memHierarchy.timingDRAM`` (``--memory timing``, without refresh: rows without it).
Columns of FILE are those of ``moe-cosim validate dram``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern, accesses_of
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst import emit
from moe_cosim.sim.engines.sst.folder import PYTHON_CONFIGURATION, Emitted, write_run
from moe_cosim.sim.engines.sst.installation import find_installation
from moe_cosim.sim.engines.sst.library import build_library
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.runner import run_folder
from moe_cosim.sim.engines.sst.streams import restore
from moe_cosim.sim.validate import dram
from moe_cosim.sim.validate.csv_rows import CsvRow, read_csv
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

_LINE_BYTES: Final = 64
_WINDOW_BYTES: Final = 1 << 20
"""More than any queue holds, so that the controller always has a next access."""


def one_channel(standard: DramStandard, controller: Controller) -> Machine:
    """The mapper of timingDRAM goes to the next bank after each interleaved block."""
    blocks = {"RoBaRaCoCh": standard.row_bytes, "MOP4CLXOR": 4 * standard.access_bytes}
    interleave = blocks.get(controller.mapping, _LINE_BYTES)
    flat = AccessEfficiency((64.0,), (1.0,), (1.0,))
    peak = standard.peak_bytes_per_s
    told = DramMemory(standard, controller)
    memory = Memory("dram.m", "ndp", standard.capacity_bytes, 1 << 40, 1, interleave, peak, flat, 0, dram=told)
    unit = Unit("dram.core", "ndp", ("main",), memory.name, _WINDOW_BYTES)
    wires = [Link(f"{part.name}-wire", (part.name, "dram.x"), float("inf"), 1.0, 1000) for part in (unit, memory)]
    return Machine("one channel", [unit], [memory], wires, [Switch("dram.x", 0, float("inf"))])


def program(machine: Machine, standard: DramStandard, pattern: AccessPattern, most: int) -> Program:
    """One kernel whose parts are the pattern's contiguous runs, in their order; of `most` accesses at most."""
    accesses, is_write = (each[:most] for each in accesses_of(pattern, standard))
    ends = np.append(np.flatnonzero((np.diff(accesses) != 1) | (np.diff(is_write) != 0)) + 1, len(accesses))
    made = ProgramBuilder(machine)
    first = 0
    for end in ends.tolist():
        access = made.write if is_write[first] else made.read
        run = access("dram.m", (end - first) * standard.access_bytes, int(accesses[first]) * standard.access_bytes)
        (made.go_on if first else made.stream)("dram.core.main", run)
        first = end
    return made.build()


def in_order(emitted: Emitted) -> Emitted:
    """Our back end with its accesses queued as they come, as the reference's driver sends them."""
    parts = []
    for part in emitted.graph.components:
        children = tuple(
            replace(child, parameters={**child.parameters, "arbitration": "fifo"})
            if child.type == "moecosim.CommandBackend"
            else child
            for child in part.children
        )
        parts.append(replace(part, children=children))
    graph = replace(emitted.graph, components=tuple(parts))
    (emitted.folder / PYTHON_CONFIGURATION).write_text(emit.python_text(graph), encoding="utf-8")
    return replace(emitted, graph=graph)


def achieved(row: CsvRow, memory: str, most: int) -> float:
    """GB/s on real SST."""
    standard, controller, pattern = dram.asked(row, dram.standard_of(row))
    machine = one_channel(standard, controller)
    asks = program(machine, standard, pattern, most)
    options = SstOptions(line_size=_LINE_BYTES, memory=memory)
    installation = find_installation()
    with tempfile.TemporaryDirectory() as folder:
        emitted = in_order(write_run(Path(folder), machine, asks, _LINE_BYTES, options.memory))
        times = run_folder(emitted, installation, build_library(installation), options)
        total_ps = restore(machine, asks, emitted.replayed, emitted.streams, times).total_ps
    return int(asks.accesses["bytes"].sum()) / total_ps * 1000


def chosen(rows: list[CsvRow], memory: str, every: int) -> Iterator[CsvRow]:
    """Rows of open pages and of the scheduler that serves row hits first: what both elements do."""
    for row in rows[::every]:
        is_known = not row.text("pattern").startswith("idle") and row.text("row_policy") in ("", "Open")
        if is_known and row.text("scheduler") != "FRFCFS" and (memory != "timing" or row.text("refresh") == "off"):
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--memory", choices=("commands", "timing"), default="commands")
    parser.add_argument("--every", type=int, default=1, help="take each Nth row")
    parser.add_argument("--most", type=int, default=1 << 18, help="accesses of a row (default: all that it counts)")
    asked = parser.parse_args()
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in chosen(read_csv(asked.data, dram.REQUIRED, dram.OPTIONAL), asked.memory, asked.every):
        found = achieved(row, asked.memory, asked.most)
        error = found / row.positive("achieved_GBps") - 1
        errors[row.text("standard"), row.text("pattern")].append(error)
        what = ("preset", "pattern", "streams", "block_bytes", "mapping", "read_q", "refresh", "achieved_GBps")
        print(f"{error:+8.2%} {found:7.2f} GB/s", *(row.text(column) for column in what), flush=True)
    for (standard, pattern), found in sorted(errors.items()):
        worst = max(found, key=abs)
        print(f"{standard:6} {pattern:20} {len(found):4} rows, mean {np.abs(found).mean():.2%}, worst {worst:+.2%}")
    every = np.abs(np.concatenate(list(map(np.array, errors.values()))))
    print(f"{len(every)} rows: mean {every.mean():.2%}, 95 % {np.quantile(every, 0.95):.2%}, worst {every.max():.2%}")


if __name__ == "__main__":
    main()
