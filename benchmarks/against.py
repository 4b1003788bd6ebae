"""This tree's speed against another tree's (a checkout of an older commit), turn by turn in one run.

    python benchmarks/against.py OTHER_TREE [CASE...]

Prints, for each case, the processor seconds of the other tree, of this one, and their ratio: medians of
TURNS turns, each in processes of their own that have warmed up first (but for the whole processes). Both
trees run with this Python, so that other work on the machine and other libraries weigh on both alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TURNS: Final = 3
HERE: Final = Path(__file__).resolve().parent.parent

WARM_RUN: Final = """
import sys, tempfile, time, inspect
from moe_cosim.sim.run import run
name, settings, folder = {name!r}, {settings!r}, {folder!r}
lean = dict(keep=()) if "keep" in inspect.signature(run).parameters else dict()
short = dict(settings, **{{"workload.output_tokens": 2, "workload.batch": min(settings.get("workload.batch", 1), 4)}})
run(name, short, **lean)
with tempfile.TemporaryDirectory() as out:
    began = time.process_time()
    run(name, dict(settings, seed=1), **(dict(out=out + "/run") if folder else lean))
    print(time.process_time() - began)
"""

SMALL_POINTS: Final = """
import sys, tempfile, time
from pathlib import Path
sys.path.insert(0, {benchmarks!r})
import sweep as bench
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool.local import tasks_of
from moe_cosim.sim.sweep.store.store import Store
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    plan = plan_sweep(bench.sweep_file(folder, {points}))
    store = Store.create(folder / "store")
    claims = store.claims()
    tasks = tasks_of(plan, plan.points)
    bench._serve(tasks[:10], store, claims)
    began = time.process_time()
    bench._serve(tasks[10:], store, claims)
    print((time.process_time() - began) / len(tasks[10:]))
"""

PROCESS: Final = """
import resource, subprocess, sys
command = [sys.executable, "-m", "moe_cosim", *{arguments!r}]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""

GPU_ALONE: Final = """\
name: qwen3-30b-on-one-gpu
machine: {use: h100-host}
model: qwen3-30b-a3b
routing: {source: generator, preset: qwen3-30b}
workload: {batch: 1, prompt_tokens: 64, output_tokens: 64}
policy: {name: all-on-gpu}
"""


@dataclass(frozen=True)
class Case:
    """Prints its processor seconds when run in a tree."""

    script: Callable[[Path, Path], str]
    """From the tree and a folder for files."""
    tokens: int = 0
    """Generated in it, where tokens per second are of interest."""


def warm(name: str, settings: Mapping[str, Any], folder: bool = False) -> Case:
    tokens = settings.get("workload.batch", 1) * settings.get("workload.output_tokens", 0)
    return Case(lambda tree, scratch: WARM_RUN.format(name=name, settings=dict(settings), folder=folder), tokens)


def process(batch: int, output_tokens: int) -> Case:
    def script(tree: Path, scratch: Path) -> str:
        path = scratch / "gpu-alone.yaml"
        path.write_text(GPU_ALONE)
        chosen = {"workload.batch": batch, "workload.output_tokens": output_tokens}
        settings = [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]
        return PROCESS.format(arguments=["run", str(path), *settings])

    return Case(script, batch * output_tokens)


def batch(size: int) -> dict[str, int]:
    return {"workload.batch": size, "workload.prompt_tokens": 64, "workload.output_tokens": 64}


def points(count: int) -> Case:
    return Case(lambda tree, scratch: SMALL_POINTS.format(benchmarks=str(tree / "benchmarks"), points=count))


CASES: Final[Mapping[str, Case]] = {
    "cxl-ndp 8x22b 128/2048, folder": warm("cxl-ndp-mixtral-8x22b-3bit", {}, folder=True),
    "trimoe deepseek-v2 batch 1024, folder": warm("trimoe-deepseek-v2", {"workload.batch": 1024}, folder=True),
    "small sweep point": points(200),
    "cxl-ndp 8x7b batch 256": warm("cxl-ndp-mixtral-8x7b-3bit", batch(256)),
    "cxl-ndp 8x7b batch 1024": warm("cxl-ndp-mixtral-8x7b-3bit", batch(1024)),
    "trimoe deepseek-v2 batch 256": warm("trimoe-deepseek-v2", {"workload.batch": 256, "workload.output_tokens": 9}),
    "trimoe deepseek-v2 batch 1024": warm("trimoe-deepseek-v2", {"workload.batch": 1024, "workload.output_tokens": 9}),
    "one GPU, batch 1, whole process": process(1, 256),
    "one GPU, batch 8, whole process": process(8, 64),
    "one GPU, batch 256, whole process": process(256, 64),
    "one GPU, one token, whole process": process(1, 1),
}


@dataclass
class Measured:
    other_s: list[float] = field(default_factory=list)
    here_s: list[float] = field(default_factory=list)


def seconds(case: Case, tree: Path, scratch: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", case.script(tree, scratch)]
    said = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True).stdout
    return float(said.split()[-1])


def main() -> None:
    other, chosen = Path(sys.argv[1]).resolve(), sys.argv[2:] or list(CASES)
    print(f"{'case':40s} {'other s':>9s} {'here s':>9s} {'ratio':>7s} {'tokens/s':>12s}")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for title in chosen:
            case, found = CASES[title], Measured()
            for tree in (other, HERE):
                seconds(case, tree, scratch)  # compiles, where it must
            for _ in range(TURNS):
                found.other_s.append(seconds(case, other, scratch))
                found.here_s.append(seconds(case, HERE, scratch))
            before, now = statistics.median(found.other_s), statistics.median(found.here_s)
            per_second = f"{case.tokens / now:12,.0f}" if case.tokens else ""
            print(f"{title:40s} {before:9.4f} {now:9.4f} {before / now:7.2f} {per_second}", flush=True)


if __name__ == "__main__":
    main()
