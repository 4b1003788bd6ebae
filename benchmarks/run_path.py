"""Lowering against the engine, and peak memory, on the experiments of the first reproduction.

    python benchmarks/run_path.py [OUTPUT_TOKENS]

Each experiment runs in a process of its own, so that peak memory is its own; the compiled kernel is
warmed by a short run first. Prints events, events per second of lowering (plan, addresses, events)
and of the engine, their ratio, and the peak resident size.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys

EXPERIMENTS = (
    "cxl-ndp-mixtral-8x22b-3bit",
    "monde-mixtral-8x22b",
    "hobbit-mixtral-8x22b",
    "cxl-ndp-mixtral-8x7b-3bit",
    "monde-mixtral-8x7b",
    "hobbit-mixtral-8x7b",
)


def measure(name: str, output_tokens: int) -> None:
    import time

    from moe_cosim.experiment import load_experiment
    from moe_cosim.sim.engines.embedded import EmbeddedEngine
    from moe_cosim.workloads.prepare import decide, lower_plan, prepare
    from moe_cosim.workloads.scenario import draw

    warm = load_experiment(name, {"workload.output_tokens": 4})
    prepared = prepare(warm)
    EmbeddedEngine().run(prepared.machine, prepared.program)
    experiment = load_experiment(name, {"workload.output_tokens": output_tokens})
    marks = [time.perf_counter()]
    scenario = draw(experiment)
    marks.append(time.perf_counter())
    _, plan = decide(experiment, scenario)
    marks.append(time.perf_counter())
    program = lower_plan(scenario, plan)
    marks.append(time.perf_counter())
    EmbeddedEngine().run(scenario.machine, program)
    marks.append(time.perf_counter())
    routing_s, plan_s, lower_s, engine_s = (b - a for a, b in itertools.pairwise(marks))
    events = len(program.events)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:28s} {events:9,d} {routing_s:8.2f} {plan_s:8.2f} {lower_s:8.2f} {engine_s:8.2f} "
        f"{events / lower_s:12,.0f} {events / engine_s:12,.0f} {engine_s / lower_s:7.2f} {peak_mb:8.0f}"
    )


def main() -> None:
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
        return
    tokens = sys.argv[1] if len(sys.argv) > 1 else "2048"
    print(
        f"{'experiment':28s} {'events':>9s} {'route s':>8s} {'plan s':>8s} {'lower s':>8s} {'engine s':>8s} "
        f"{'lower ev/s':>12s} {'engine ev/s':>12s} {'ratio':>7s} {'peak MB':>8s}"
    )
    for name in EXPERIMENTS:
        subprocess.run([sys.executable, __file__, name, tokens], check=True)


if __name__ == "__main__":
    main()
