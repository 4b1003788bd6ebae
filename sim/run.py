"""One experiment, from its description to its result."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.engines.base import Engine, Progress, engine_of, engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.meter import Meter
from moe_cosim.sim.results.phases import Phases
from moe_cosim.sim.results.recorder import (
    KEPT,
    PROGRAM,
    TIMELINE,
    FolderRecorder,
    MemoryRecorder,
    Recorder,
    check_keep,
)
from moe_cosim.sim.results.report import summary
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import Extrapolation
from moe_cosim.sim.run_folder import RunFolder
from moe_cosim.sim.window import extrapolate, spans
from moe_cosim.workloads.blocks import Block
from moe_cosim.workloads.programs.program import Program
from moe_cosim.workloads.run_kinds import AnyPrepared, prepare_run


def run(
    experiment: Experiment | str | Path,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    keep: Collection[str] | None = None,
) -> Result:
    """Run an experiment (an object, a file, or the name of a shipped one).

    `settings` replaces fields by dotted path. With `out`, the resolved experiment and the result are
    left in that folder, which appears only when the run has succeeded; also what `keep` names of
    ``program`` and ``timeline`` (None: all that the engine has). Without `out`, `Result.timeline` has both in memory
    if both are kept. Of a run that keeps nothing, memory holds a few blocks of steps at a time.
    Raises `InputError` for bad input and `RunError` for a run that fails.
    """
    check_keep(keep or ())
    chosen = load_experiment(experiment, settings)
    engine = engine_of(chosen)
    has = KEPT if engine.times_events else (PROGRAM,)
    keep = has if keep is None else keep
    if not set(keep) <= set(has):
        found = Plain(f"{TIMELINE} (engine {chosen.engine_name} gives sums of layers, no times of events)")
        raise InputError(chosen.where, "keep", found, "program or result")
    if out is None:
        return _run(chosen, engine, progress, MemoryRecorder() if set(KEPT) <= set(keep) else Recorder())
    with RunFolder(Path(out)).filled() as folder:
        result = _run(chosen, engine, progress, FolderRecorder(folder, keep))
        (folder / "experiment.yaml").write_text(chosen.to_yaml(), encoding="utf-8")
        document = json.dumps(result.as_dict(), indent=2, allow_nan=False)
        (folder / "result.json").write_text(document + "\n", encoding="utf-8")
        (folder / "summary.md").write_text(summary(result), encoding="utf-8")
    return result.kept_in(Path(out))


def _run(experiment: Experiment, engine: Engine, progress: Progress | None, recorder: Recorder) -> Result:
    """Blocks of steps are planned, lowered, run, measured and kept one after the other, then dropped."""
    phases = Phases()
    prepared = prepare_run(experiment)
    meter = Meter(prepared, engine.assumed(prepared.machine))
    phases.lowered()
    extrapolation, finished = _simulate(prepared, engine, progress, phases)
    with recorder:
        for block, timeline in finished:
            phases.simulated()
            meter.add(block, timeline)
            phases.measured()
            recorder.add(block.program, timeline)
            phases.written()
        kept = recorder.close()
        phases.written()
    return meter.result(phases, extrapolation, kept)


def _simulate(
    prepared: AnyPrepared, engine: Engine, progress: Progress | None, phases: Phases
) -> tuple[Extrapolation | None, Iterator[tuple[Block, Timeline]]]:
    """The run's blocks as they finish on `engine`; or its window there, and the rest extrapolated."""
    machine, window, where = prepared.machine, prepared.experiment.window, prepared.experiment.where
    if window.is_whole and engine.takes_blocks:
        return None, _finished(prepared, engine, progress, phases)
    whole = prepared.whole
    phases.lowered()
    if window.is_whole:
        return None, iter([(whole, engine.run(machine, whole.program, progress))])
    steps, layers = spans(window, where)
    timeline, extrapolation = extrapolate(
        machine, whole.program, engine, engines.get("embedded")(), steps, layers, progress, where
    )
    return extrapolation, iter([(whole, timeline)])


def _finished(
    prepared: AnyPrepared, engine: Engine, progress: Progress | None, phases: Phases
) -> Iterator[tuple[Block, Timeline]]:
    """An engine may take blocks ahead of the one that finishes."""
    under_way: deque[Block] = deque()

    def programs() -> Iterator[Program]:
        phases.simulated()
        for block in prepared.blocks:
            phases.lowered()
            under_way.append(block)
            yield block.program
            phases.simulated()
        phases.lowered()

    for timeline in engine.run_blocks(prepared.machine, programs(), progress):
        yield under_way.popleft(), timeline
