"""One experiment, from its description to its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.engines.base import Progress, engines
from moe_cosim.sim.prepare import prepare
from moe_cosim.sim.results.result import Result, measure
from moe_cosim.sim.run_folder import RunFolder
from moe_cosim.sim.window import Span, extrapolate


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
    if isinstance(experiment, Experiment):
        chosen = experiment.with_settings(settings) if settings else experiment
    else:
        chosen = load_experiment(experiment, settings)
    options = dict(chosen.engine_options)
    steps, layers = (Span.parse(options.pop(key), key) if key in options else None for key in ("steps", "layers"))
    engine = engines.get(chosen.engine_name, chosen.where, "engine").from_options(options, chosen.where)
    folder = RunFolder(Path(out)) if out is not None else None
    started = time.perf_counter()
    prepared = prepare(chosen)
    lowered = time.perf_counter()
    extrapolation = None
    if steps is None and layers is None:
        timeline = engine.run(prepared.machine, prepared.program, progress)
    else:
        embedded = engines.get("embedded")()
        timeline, extrapolation = extrapolate(
            prepared.machine, prepared.program, engine, embedded, steps, layers, progress
        )
    simulated = time.perf_counter()
    result = measure(prepared, timeline, lowered - started, simulated - lowered, extrapolation)
    if folder is not None:
        folder.write(prepared, timeline, result)
    return result
