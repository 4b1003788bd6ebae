"""How fast the sst engine and its elements are: ``python benchmarks/sst.py`` (by hand, with SST on the PATH; minutes).

Prints CPU seconds (of this process and its children) and wall seconds of whole runs, SST's start included: each
the best of some rounds, in which the candidates take turns, so that ratios hold on a machine with other work.
"""

from __future__ import annotations

import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sst_memory import statistic, write_read
from moe_cosim.sim.crosscheck.cases.all_cases import all_cases
from moe_cosim.sim.crosscheck.compare import compare
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.installation import find_installation
from moe_cosim.sim.engines.sst.library import build_library
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.runner import run_folder
from moe_cosim.sim.engines.timeline import Timeline

_MIB: Final = 1 << 20
_REPEATS: Final = 100
"""Runs of the embedded engine in one measurement: one alone is too short to measure."""


class Spent(NamedTuple):
    cpu_s: float
    wall_s: float


def measure(work: Callable[[], object]) -> Spent:
    def cpu_s() -> float:
        uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(use.ru_utime + use.ru_stime for use in uses)

    cpu, wall = cpu_s(), time.perf_counter()
    work()
    return Spent(cpu_s() - cpu, time.perf_counter() - wall)


def best(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Spent]:
    found = {name: Spent(np.inf, np.inf) for name in candidates}
    for _, (name, work) in itertools.product(range(rounds), candidates.items()):
        found[name] = Spent(*map(min, found[name], measure(work)))
    return found


def ratios(of: Spent, to: Spent) -> str:
    return f"{of.cpu_s / to.cpu_s:8.2f}x cpu {of.wall_s / to.wall_s:8.2f}x wall"


# -- elements beside SST's own --------------------------------------------------------------


def memory_reads(
    title: str, combinations: list[tuple[str, str]], line_bytes: int, total_bytes: int, window_bytes: int
) -> None:
    """One core reads `total_bytes` from one memory; ratios are requests per second over the last combination's."""
    installation = find_installation()
    library = build_library(installation)
    requests = total_bytes // line_bytes
    rates: dict[str, float] = {}

    def read(core: str, memory: str) -> None:
        with tempfile.TemporaryDirectory(prefix="moe-cosim-benchmark-") as folder:
            emitted = write_read(Path(folder), core, memory, line_bytes, total_bytes, window_bytes)
            run_folder(emitted, installation, library, SstOptions())
            done, seconds = statistic(emitted, "read_reqs" if core == "miranda" else "requests")
            assert done == requests, f"{core} sent {done} requests in place of {requests}"
            rates[f"{core} on {memory}"] = total_bytes / seconds / 1e9

    def candidate(core: str, memory: str) -> Callable[[], object]:
        return lambda: read(core, memory)

    print(f"{title}: {total_bytes / _MIB:.0f} MiB in lines of {line_bytes} B")
    spent = best({f"{core} on {memory}": candidate(core, memory) for core, memory in combinations}, 4)
    last = list(spent.values())[-1]
    for name, cost in spent.items():
        print(
            f"  {name:28s} {cost.cpu_s:6.2f} s cpu {cost.wall_s:6.2f} s wall {requests / cost.cpu_s / 1e3:7.0f} k "
            f"requests/s cpu {ratios(last, cost)}, simulated {rates[name]:4.0f} GB/s"
        )


# -- engines --------------------------------------------------------------------------------


def engines(name: str, line_bytes: int) -> None:
    """The embedded engine beside SST on one case of the cross-check."""
    case = all_cases()[name]
    machine, program = case.build()
    timelines: dict[str, Timeline] = {}
    embedded = EmbeddedEngine(line_bytes=line_bytes)
    sst = SstEngine.from_options({"line_size": line_bytes}, "benchmark")
    embedded.run(machine, program)  # compiles

    def on_embedded() -> None:
        for _ in range(_REPEATS):
            timelines["embedded"] = embedded.run(machine, program)

    def on_sst() -> None:
        timelines["sst"] = sst.run(machine, program)

    spent = best({"embedded": on_embedded, "sst": on_sst}, 2)
    fast, slow = Spent(*(seconds / _REPEATS for seconds in spent["embedded"])), spent["sst"]
    compared = compare(case, machine, program, timelines["sst"], timelines["embedded"], 0, 0)
    errors = compared.event_errors
    moved = int(program.accesses["bytes"].sum())
    print(
        f"embedded engine beside SST: {name}, {len(program.events)} events, {moved / 1e6:.0f} MB, {line_bytes} B lines"
    )
    print(
        f"  embedded {1e3 * fast.cpu_s:.2f} ms cpu {1e3 * fast.wall_s:.2f} ms wall, SST {slow.cpu_s:.2f} s cpu "
        f"{slow.wall_s:.2f} s wall: SST over embedded {ratios(slow, fast)}"
    )
    print(
        f"  total {compared.total_error:+.2%}; events: median {np.median(errors):.3%}, 95 % "
        f"{np.quantile(errors, 0.95):.2%}"
    )


def shares(name: str) -> None:
    """Threads and ranks beside one thread on one case of the cross-check; timelines must be the same."""
    machine, program = all_cases()[name].build()
    timelines: dict[str, Timeline] = {}

    def candidate(label: str, options: SstOptions) -> Callable[[], object]:
        def work() -> None:
            timelines[label] = SstEngine(options).run(machine, program)

        return work

    choices = {"1 thread": SstOptions(), "2 threads": SstOptions(threads=2), "2 ranks": SstOptions(ranks=2)}
    spent = best({label: candidate(label, options) for label, options in choices.items()}, 3)
    serial = timelines["1 thread"]
    print(
        f"threads and ranks: {name}, {len(program.events)} events, {SstOptions().line_size} B lines; cost over serial"
    )
    for label, cost in spent.items():
        same = all(np.array_equal(getattr(timelines[label], s), getattr(serial, s)) for s in ("start_ps", "end_ps"))
        print(
            f"  {label:10s} {cost.cpu_s:6.2f} s cpu {cost.wall_s:6.2f} s wall {ratios(cost, spent['1 thread'])}; "
            f"timeline {'the same' if same else 'DIFFERS'}"
        )


def main() -> None:
    print(f"SST {find_installation().version}")
    memory_reads("cores", [("ours", "simpleMem"), ("miranda", "simpleMem")], 64, 64 * _MIB, 1 << 16)
    memory_reads("cores", [("ours", "ChannelBackend"), ("miranda", "ChannelBackend")], 64, 64 * _MIB, 1 << 16)
    for timing in ("timingDRAM 4 KiB", "timingDRAM 64 B"):
        memory_reads("memories", [("ours", "ChannelBackend"), ("ours", timing)], 4096, 256 * _MIB, 1 << 18)
    engines("policy-cxl-ndp", 64)
    shares("policy-cxl-ndp-four-devices")


if __name__ == "__main__":
    main()
