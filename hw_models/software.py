"""What the software around the kernels costs: launching them, starting copies, handing over to the host's cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.merge import Places
from moe_cosim.hw_models.units.sockets import NUMA_MODES
from moe_cosim.remembered import Remembered, Stamp

_STACKS: Final[Remembered[Software]] = Remembered(16)


@dataclass(frozen=True)
class Software:
    """Times of one stack, beside those of the kernels. They are spent in a row with what they launch: what a stack
    hides behind running kernels is not in them."""

    name: str
    title: str
    step_ps: int
    """Per step: scheduling, the launch of a graph."""
    sequence_ps: int
    """Per step and sequence: sampling, book-keeping, handing the token out."""
    layer_ps: int
    """Per layer: launching its kernels one by one, or the gaps between them in a graph."""
    moe_layer_ps: int
    """The same, what layers with experts take more."""
    copy_ps: int
    """Setting up one copy."""
    hybrid_layer_ps: int
    """Per layer with experts on the host's cores: handing them over and synchronising."""
    expert_ps: int
    """Per expert that the GPU runs in a layer: a hand-over of its own, where the stack has one."""
    memory_shares: Mapping[str, float]
    """Of the channels' peak that its kernels on the host's cores reach, by `NUMA_MODES`; a mode that is not there: what
    the cores' own description says."""

    @classmethod
    def read(cls, name: str, fields: Fields) -> Self:
        """From a description of kind ``software``; only ``expert`` and ``memory_shares`` may be left out. Raises
        `InputError`."""
        times = "step", "sequence", "layer", "moe_layer", "copy", "hybrid_layer"
        fields.only("title", *times, optional=("expert", "memory_shares"))
        shares: dict[str, float] = {}
        if "memory_shares" in fields:
            of_mode = fields.child("memory_shares")
            of_mode.only(optional=NUMA_MODES)
            shares = {mode: of_mode.share(mode) for mode in NUMA_MODES if mode in of_mode}
        step, sequence, layer, moe_layer, copy, hybrid = (fields.time_ps(time) for time in times)
        expert = fields.time_ps("expert") if "expert" in fields else 0
        return cls(name, fields.text("title"), step, sequence, layer, moe_layer, copy, hybrid, expert, shares)

    def on(self, machine: Machine) -> Machine:
        """The machine whose host's cores run this stack's kernels."""
        if not self.memory_shares:
            return machine
        models = {
            unit.name: unit.model and unit.model.with_memory_shares(self.memory_shares)
            for unit in machine.units.values()
        }
        if all(models[unit.name] is unit.model for unit in machine.units.values()):
            return machine
        return machine.with_models(models)


def find_software(name: str, assumptions: Assumptions, where: object) -> Software:
    """The stack of this name or path. Raises `InputError`."""
    path = catalog.find(name, "software", where, "software")
    return _STACKS.get(str(path), assumptions, lambda apart: _read(path, apart))


def _read(path: Path, assumptions: Assumptions) -> tuple[Software, Mapping[Path, Stamp]]:
    shared, shared_path = catalog.shared_assumptions()
    reading = Reading(assumptions, shared, str(shared_path))
    tree = reading.read(path, "software")
    return Software.read(path.stem, Fields(tree, reading, Places(str(path)))), reading.files
