"""The reference engine: the program replayed line by line on SST's memHierarchy and merlin."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import read_options
from moe_cosim.sim.engines.base import Engine, Progress, engines
from moe_cosim.sim.engines.sst.assumed import assumed
from moe_cosim.sim.engines.sst.folder import write_run
from moe_cosim.sim.engines.sst.installation import find_installation, require_back_end
from moe_cosim.sim.engines.sst.library import build_library
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.runner import run_folder
from moe_cosim.sim.engines.sst.streams import restore
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import Program


@engines.register("sst")
class SstEngine(Engine):
    """Needs SST 16 on the PATH (moe-cosim doctor). Ranks, threads and form of configuration change no result."""

    summary: ClassVar[str] = "SST 16: every memory line a request on memHierarchy and merlin (slow, the reference)"
    options_class = SstOptions

    data_files: ClassVar[tuple[str, ...]] = (
        "hw_models/sst/**/*.cc",
        "hw_models/sst/**/*.h",
        "templates/sst/*.py.j2",
        "templates/sst/*.yaml.j2",
        "sim/engines/sst/graph/*.json",
    )

    def __init__(self, options: SstOptions | None = None) -> None:
        self.options = options or SstOptions()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: object) -> Self:
        return cls(read_options(SstOptions, options, where, "engine"))

    def assumed(self, machine: Machine) -> list[Assumption]:
        return assumed(machine, self.options.memory)

    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        """Raises `InputError` for what SST, or this SST, cannot take, `SstError` for a run that fails."""
        installation = find_installation()
        require_back_end(installation, self.options.memory)
        library = build_library(installation)
        with tempfile.TemporaryDirectory(prefix="moe-cosim-sst-") as folder:
            emitted = write_run(Path(folder), machine, program, self.options.line_size, self.options.memory)
            times = run_folder(emitted, installation, library, self.options, progress)
            return restore(machine, program, emitted.replayed, emitted.streams, times)
