"""The reference engine: the program replayed line by line on SST's memHierarchy and merlin."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from hw_models.machine import Machine
from moe_cosim.schema import check
from sim.engines.base import Engine, Progress, engines
from sim.sst.folder import write_run
from sim.sst.installation import find_installation
from sim.sst.library import build_library
from sim.sst.options import SstOptions
from sim.sst.runner import run_folder
from sim.sst.streams import restore
from sim.timeline import Timeline
from workloads.program import Program


@engines.register("sst")
class SstEngine(Engine):
    """Needs SST 16 on the PATH (moe-cosim doctor). Ranks, threads and form of configuration change no result."""

    summary: ClassVar[str] = "SST 16: every memory line a request on memHierarchy and merlin (slow, the reference)"

    def __init__(self, options: SstOptions | None = None) -> None:
        self.options = options or SstOptions()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: object) -> SstEngine:
        return cls(check(SstOptions, dict(options), where, "engine"))

    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        """Raises `InputError` for a machine or line size that SST cannot take, `SstError` for a run that fails."""
        installation = find_installation()
        library = build_library(installation)
        with tempfile.TemporaryDirectory(prefix="moe-cosim-sst-") as folder:
            emitted = write_run(Path(folder), machine, program, self.options.line_size)
            times = run_folder(emitted, installation, library, self.options, progress)
            return restore(program, emitted.streams, times)
