"""What a sweep costs beyond its simulations.

    python benchmarks/sweep.py [POINTS] [WORKERS]

Prints, for short decodes of a two-layer model: in one process a point with everything the store does around
it against the simulation alone, and points that differ in a link's rate with a shared program against each
with its own, turn by turn, so that other work on the machine weighs on both; then points per second of POINTS
(default 10 000) on WORKERS (default 2) processes, and of a tenth of them on one, and how near that comes to
WORKERS times as many; then the time of ``sweep status`` on 100 000 points, and of ``collect`` and a query on
the points computed. `benchmarks/against.py` has a small point against another tree's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool.local import run_points, tasks_of
from moe_cosim.sim.sweep.pool.messages import Task
from moe_cosim.sim.sweep.pool.worker import serve
from moe_cosim.sim.sweep.store.claims import Claims
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.workloads.reuse import REUSE

MODEL = {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 3584,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "num_hidden_layers": 2,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
BASE = "hobbit-mixtral-8x7b"
STATUS_POINTS = 100_000
COMPARED = 300
BLOCK = 25


def sweep_file(folder: Path, points: int) -> Path:
    (folder / "model.json").write_text(json.dumps(MODEL))
    path = folder / f"sweep-{points}.yaml"
    path.write_text(
        f"base: {BASE}\n"
        f"set: {{model: {folder / 'model.json'}, workload.prompt_tokens: 8, workload.output_tokens: 4}}\n"
        f"grid: {{policy.t1: {{range: [0.0, 0.6], count: 10}}}}\nseeds: {points // 10}\n"
    )
    return path


def timed_run(folder: Path, points: int, workers: int) -> tuple[Store, float]:
    """The store, and points per second from the first that was finished: the start of workers is apart."""
    started = time.perf_counter()
    plan = plan_sweep(sweep_file(folder, points))
    print(f"plan of {points:,} points: {time.perf_counter() - started:.1f} s")
    store = Store.create(folder / f"store-{workers}")
    store.add_plan(plan)
    finished: list[float] = []
    outcome = run_points(store, plan, workers=workers, watch=lambda _: finished.append(time.perf_counter()))
    per_s = (len(finished) - 1) / (finished[-1] - finished[0])
    print(
        f"{outcome.finished:,} points on {workers} workers: {outcome.wall_s:.1f} s, "
        f"{per_s:.1f} points/s once they run, {len(outcome.failures)} failed"
    )
    return store, per_s


def sharing(folder: Path) -> None:
    model = {"model": str(folder / "model.json"), "workload.prompt_tokens": 8, "workload.output_tokens": 4}
    rates = (f"{26 + 38 * index / COMPARED:.6g} GB/s" for index in range(COMPARED))
    points = [load_experiment(BASE, {**model, "assumptions.host-link-rate": rate}) for rate in rates]
    own, shared = [0.0, 0.0], [0.0, 0.0]

    def alone(experiment: Experiment) -> None:
        REUSE.clear()
        run(experiment, keep=())

    for start in range(0, COMPARED, BLOCK):
        block = points[start : start + BLOCK]
        _add(own, lambda: [alone(point) for point in block])  # noqa: B023 (called at once)
        _add(shared, lambda: [run(point, keep=()) for point in block])  # noqa: B023
    each = [1e3 * seconds[1] / COMPARED for seconds in (own, shared)]
    print(f"a point of a sweep over a link's rate {each[0]:.2f} ms, with a shared program {each[1]:.2f} ms (processor)")


def overhead(folder: Path) -> None:
    plan = plan_sweep(sweep_file(folder, COMPARED))
    store = Store.create(folder / "overhead")
    claims = store.claims()
    tasks = tasks_of(plan, plan.points)
    run(tasks[0].experiment, keep=())
    alone, around = [0.0, 0.0], [0.0, 0.0]
    for start in range(0, COMPARED, BLOCK):
        block = tasks[start : start + BLOCK]
        _add(alone, lambda: [run(task.experiment, keep=()) for task in block])  # noqa: B023 (called at once)
        _add(around, lambda: _serve(block, store, claims))  # noqa: B023
    claims.close()
    for name, inner, outer in zip(("wall", "processor"), alone, around, strict=True):
        each = [1e3 * seconds / COMPARED for seconds in (inner, outer)]
        print(f"a point alone {each[0]:.2f} ms, in a worker {each[1]:.2f} ms: {each[1] - each[0]:.2f} ms more ({name})")


def _serve(tasks: list[Task], store: Store, claims: Claims) -> None:
    """Also what `against.py` asks of each tree."""
    serve(tasks, store, claims, lambda report: None)


def _add(total: list[float], action: Callable[[], object]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    action()
    total[0] += time.perf_counter() - wall
    total[1] += time.process_time() - processor


def timed_status(folder: Path) -> None:
    plan = plan_sweep(sweep_file(folder, STATUS_POINTS))
    store = Store.create(folder / "large")
    store.add_plan(plan)
    for point in plan.points:  # status looks at names, so that empty files will do
        group = store.path / "points" / point.id[:2]
        group.mkdir(exist_ok=True)
        (group / f"{point.id}.json.gz").touch()
    print(f"sweep status on {STATUS_POINTS:,} points: {_command('sweep', 'status', str(store.path)):.2f} s")


def _command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "moe_cosim", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overhead(folder)
        sharing(folder)
        _, alone_per_s = timed_run(folder, max(points // 10, 10), 1)
        store, per_s = timed_run(folder, points, workers)
        print(f"scaling: {per_s / alone_per_s:.2f} times one worker's")
        query = ("results", str(store.path), 'SELECT "policy.t1", median(end_to_end_s) FROM results GROUP BY ALL')
        print(f"query of point files: {_command(*query):.1f} s")
        print(f"collect: {_command('collect', str(store.path)):.1f} s")
        print(f"query of parts: {_command(*query):.1f} s")
        timed_status(folder)


if __name__ == "__main__":
    main()
