"""``moe-cosim bench``: how fast this machine is."""

from __future__ import annotations

import click

from moe_cosim.sim.cli.output import Output, output_options


@click.command()
@output_options("speed", "phases")
def bench(output: Output) -> None:
    """Measure how fast this machine simulates.

    Events, tokens and points per second of three small benchmarks, and their phases.
    """
    from moe_cosim.sim.bench import BENCHMARKS, run_benchmark
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.results.bench import bench_report

    speeds = []
    with progress_bar("benchmarks", "bench") as progress:
        for number, (name, benchmark) in enumerate(BENCHMARKS.items(), 1):
            speeds.append(run_benchmark(name, benchmark))
            progress(number, len(BENCHMARKS))
    output.emit(lambda: [speed.as_dict() for speed in speeds], lambda: bench_report(speeds))


COMMANDS = (bench,)
