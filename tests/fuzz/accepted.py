"""What must hold of a run that was accepted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.replay import replay
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.programs.program import COPY, PURPOSES, SIGNAL, STREAM, WAIT, WRITE, Program

_FREE: Final = ("assumptions", "policy_report")
"""Parts of a result whose numbers somebody chose."""
_ROUNDING: Final = 1e-6


def wrong_with_run(folder: Path) -> list[str]:
    """Of the folder that ``run --out`` left."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    faults = list(_numbers(result, ""))
    experiment = load_experiment(folder / "experiment.yaml")
    saved = RunTimeline.of_folder(folder)
    faults += _order(saved)
    if experiment.window.is_whole and not replay(folder).equal:
        faults.append("a replay differs")
    prepared = prepare(experiment)
    if not _same(prepared.program, saved.program):
        faults.append("prepared again, the program differs")
    faults += _bytes_of_memories(saved.program, prepared, result)
    faults += _bytes_of_plan(prepared)
    return faults


def _numbers(node: Any, path: str) -> Iterator[str]:
    """Numbers that are not finite or negative, and use beyond a peak."""
    if isinstance(node, dict):
        for key, value in node.items():
            if path or key not in _FREE:
                yield from _numbers(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _numbers(value, f"{path}[{index}]")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        if not math.isfinite(node) or node < 0:
            yield f"{path} is {node}"
        elif path.endswith("utilization") and node > 1 + _ROUNDING:
            yield f"{path} is {node}, more than the peak"


def _order(timeline: RunTimeline) -> Iterator[str]:
    """Lanes in order; no wait ends before a signal of its token."""
    events, start_ps, end_ps = timeline.program.events, timeline.start_ps, timeline.end_ps
    if (start_ps < 0).any() or (end_ps < start_ps).any():
        yield "an event ends before it starts"
    same_lane = events["lane"][1:] == events["lane"][:-1]
    if (start_ps[1:] < end_ps[:-1])[same_lane].any():
        yield "an event starts before the one before it on its lane has ended"
    signals, waits = (np.flatnonzero(events["kind"] == kind) for kind in (SIGNAL, WAIT))
    last: dict[int, int] = {}
    for row in signals.tolist():
        token = int(events["token"][row])
        last[token] = max(last.get(token, 0), int(end_ps[row]))
    if any(int(end_ps[row]) < last.get(int(events["token"][row]), 0) for row in waits.tolist()):
        yield "a wait ends before its signal is sent"


def _same(first: Program, second: Program) -> bool:
    return first.lanes == second.lanes and all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("events", "accesses", "tags")
    )


def _bytes_of_memories(program: Program, prepared: Prepared, result: dict[str, Any]) -> Iterator[str]:
    """A memory has moved the bytes of the program's accesses to it, and nothing else."""
    machine = machine_of(prepared.experiment, Assumptions(prepared.experiment.assumptions, ""))
    accesses = program.accesses[program.accesses["bytes"] > 0]
    where = machine.memory_index(accesses["address"])
    names = [memory.name for memory in machine.memory_list]
    moved = np.bincount(where, accesses["bytes"].astype(np.float64), len(names))
    said = {memory["name"]: memory["read_bytes"] + memory["written_bytes"] for memory in result["memories"]}
    for name, count in zip(names, moved.tolist(), strict=True):
        if not math.isclose(count, said.get(name, 0), rel_tol=1e-9, abs_tol=0.5):
            yield f"{name} moved {said.get(name, 0)} bytes, the program says {count}"


def _bytes_of_plan(prepared: Prepared) -> Iterator[str]:
    """Kernels read, and copies write, the weights that the plan decides on."""
    plan, program = prepared.plan, prepared.program
    size = np.array([each.expert_bytes(prepared.scenario.model.expert) for each in plan.formats], np.float64)
    events, purpose = program.events, program.tags["purpose"][program.events["tag"]]
    for table, kind, name, op in (
        (plan.runs, STREAM, "expert", 0),
        (plan.moves, COPY, "move weights", WRITE),
    ):
        rows = np.flatnonzero((events["kind"] == kind) & (purpose == PURPOSES.index(name)))
        first, count = (events[field][rows].astype(np.int64) for field in ("first_access", "accesses"))
        at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
        chosen = program.accesses[at]
        carried = float(chosen["bytes"][(chosen["what"] == 0) & (chosen["op"] == op)].astype(np.float64).sum())
        planned = float(size[table["format"]].sum()) if len(table) else 0.0
        if not math.isclose(carried, planned, rel_tol=1e-9, abs_tol=0.5):
            yield f"{name}: {carried} bytes of weights in the program, {planned} in the plan"
