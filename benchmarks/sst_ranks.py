"""What MPI ranks and threads cost or save on real SST: ``python benchmarks/sst_ranks.py`` (by hand; minutes).

Sixteen devices behind five switches read their own memories (``--local``), or the GPU reads theirs over the switches
(``--shared``). Per number of ranks and threads: wall and CPU time, what wanted the cores in the last minute (load),
and whether the timeline is that of one. Ranks wait for each other once in the latency of the shortest link between
them, so wall times mean something where as many cores are free as asked for
(``MOE_COSIM_LAUNCHER="chrt -r 5 mpirun"`` takes them).
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sst import measure
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

_DEVICES: Final = 16


def program(machine: Machine, local_bytes: int, shared_bytes: int) -> Program:
    """Each device reads so much of its own memory, in kernels of 1 MB, and the GPU so much of each device's."""
    made = ProgramBuilder(machine)
    for device in range(_DEVICES):
        for place in range(0, local_bytes, 1_000_000):
            made.stream(f"ndp{device}.core.main", made.read(f"ndp{device}.dram", 1_000_000, place))
        if shared_bytes:
            made.stream("gpu.sm.main", made.read(f"ndp{device}.dram", shared_bytes))
    return made.build()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=int, default=16, help="MB that each device reads of its own memory")
    parser.add_argument("--shared", type=int, default=0, help="kB that the GPU reads of each device")
    parser.add_argument("--shares", nargs="*", default=["1x1", "1x2", "2x1"], help="ranks x threads")
    asked = parser.parse_args()
    machine = catalog_machine("h100-cxl-ndp-16-spine")()
    work = program(machine, asked.local * 1_000_000, asked.shared * 1000)
    timelines: dict[str, Timeline] = {}
    for share in asked.shares:
        ranks, threads = map(int, share.split("x"))
        engine = SstEngine(SstOptions(ranks=ranks, threads=threads))
        spent = measure(partial(timed, timelines, share, engine, machine, work))
        first = timelines[asked.shares[0]]
        same = np.array_equal(first.end_ps, timelines[share].end_ps)
        print(
            f"{ranks} ranks of {threads} threads: {spent.wall_s:.1f} s wall, {spent.cpu_s:.1f} s CPU, "
            f"load {os.getloadavg()[0]:.1f}, timeline {'the same' if same else 'DIFFERS'}",
            flush=True,
        )
    shortest_ps = min(link.latency_ps for link in build_graph(machine, BuildOptions()).links if link.may_cut)
    total_ps = timelines[asked.shares[0]].total_ps
    print(f"{total_ps / 1e6:.1f} us simulated, at most {total_ps // shortest_ps} waits of {shortest_ps / 1e3:.0f} ns")


def timed(timelines: dict[str, Timeline], share: str, engine: SstEngine, machine: Machine, work: Program) -> None:
    timelines[share] = engine.run(machine, work)


if __name__ == "__main__":
    main()
