"""An experiment as a folder that SST runs, here or on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.folder import write_run, write_share
from moe_cosim.sim.run_folder import RunFolder
from moe_cosim.workloads.prepare import prepare


def emit_experiment(source: str, settings: Mapping[str, Any], out: str, line_bytes: int | None) -> str:
    """Write the folder; the line to print. Needs no SST."""
    experiment = load_experiment(source, settings)
    options = experiment.engine_options if experiment.engine_name == "sst" else {}
    chosen = SstEngine.from_options(options, experiment.where).options
    target = RunFolder(Path(out))  # refuses a folder with something in it
    prepared = prepare(experiment)
    events = len(prepared.program.events)
    with target.filled() as folder:
        emitted = write_run(folder, prepared.machine, prepared.program, line_bytes or chosen.line_size, chosen.memory)
        (folder / "experiment.yaml").write_text(experiment.to_yaml(), encoding="utf-8")
        write_share(emitted, prepared.program, experiment.name)
    components = len(emitted.graph.components)
    return f"{target.path}: {events} events on {components} components; see README.md"
