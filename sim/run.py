"""One experiment, from its description to its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_cosim.compiling import Stopwatch
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.engines.base import Engine, Progress, engine_of, engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.meter import Meter, Seconds
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import Extrapolation
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.run_folder import RunFolder
from moe_cosim.sim.window import extrapolate, spans
from moe_cosim.workloads.prepare import Prepared, prepare


def run(
    experiment: Experiment | str | Path,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run an experiment (an object, a file, or the name of a shipped one).

    `settings` replaces fields by dotted path. With `out`, the resolved experiment, the result, the
    timeline and the program are left in that folder, which appears only when the run has succeeded.
    Raises `InputError` for bad input and `RunError` for a run that fails.
    """
    chosen = load_experiment(experiment, settings)
    engine = engine_of(chosen)
    folder = RunFolder(Path(out)) if out is not None else None
    watch = Stopwatch()
    prepared = prepare(chosen)
    prepared.whole  # noqa: B018 (planned and lowered here, so that it is not counted as the engine's time)
    lowering_s = watch.lap_s()
    timeline, extrapolation = _simulate(prepared, engine, progress)
    engine_s = watch.lap_s()
    meter = Meter(prepared)
    meter.add(prepared.whole, timeline)
    whole = RunTimeline(**vars(timeline), program=prepared.program)
    result = meter.result(Seconds(lowering_s, engine_s, watch.lap_s()), extrapolation, whole)
    if folder is not None:
        folder.write(prepared, timeline, result)
    return result


def _simulate(prepared: Prepared, engine: Engine, progress: Progress | None) -> tuple[Timeline, Extrapolation | None]:
    """The whole program on `engine`, or the experiment's window of it and the rest extrapolated."""
    machine, program, window = prepared.machine, prepared.program, prepared.experiment.window
    if window.is_whole:
        return engine.run(machine, program, progress), None
    where = prepared.experiment.where
    steps, layers = spans(window, where)
    return extrapolate(machine, program, engine, engines.get("embedded")(), steps, layers, progress, where)
