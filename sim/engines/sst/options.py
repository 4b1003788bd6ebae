"""The options of the sst engine, as an experiment or the command line gives them."""

from __future__ import annotations

from typing import Literal

from moe_cosim.options import Options, option
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.sim.engines.sst.graph.sizing import DEFAULT_LINE_BYTES

LONGEST_S = 24 * 3600 - 1
"""SST 16 reads --exit-after as a time of day."""


class SstOptions(Options):
    """`line_size` is checked against the machine when the graph is built."""

    line_size: Literal[64, 128, 256, 512, 1024, 2048, 4096] = option(
        DEFAULT_LINE_BYTES,
        "one request; divides the interleaving of every memory, or is a multiple of it",
        unit="bytes",
    )
    memory: MemoryTiming = option(
        "shares",
        "shares of the peak that the machine states; or told its DRAM's timings alone: our element command by command, "
        "memHierarchy's timingDRAM, or Ramulator 2.0",
    )
    ranks: int = option(1, "MPI processes", ge=1)
    threads: int = option(
        1, "threads of each process; two pay on free cores where devices mostly read their own memories", ge=1
    )
    time_limit_s: int = option(
        LONGEST_S, "wall time after which SST is told to stop (its --exit-after)", unit="s", ge=1, le=LONGEST_S
    )
    configuration: Literal["python", "json"] = option("python", "which of the two equal configurations SST reads")


def slow_choice(ranks: int | None, threads: int | None) -> str | None:
    """What to tell who asks for more than one thread or rank."""
    if (ranks or 1) * (threads or 1) == 1:
        return None
    return (
        "note: threads and ranks wait for each other once in the latency of a link (some 75 ns): threads "
        "pay on free cores, ranks where little crosses links, and on busy cores both make SST far slower"
    )
