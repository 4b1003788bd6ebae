"""The machine of an experiment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.build import read_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.merge import EXPERIMENT
from moe_cosim.remembered import Remembered, Stamp

COPY_LANES: Final = ("activations", "weights", "prefetch")
"""Of the copy engine beside the GPU: what programs are lowered to."""

_MACHINES: Final[Remembered[Machine]] = Remembered(16)


def machine_of(experiment: Experiment, assumptions: Assumptions) -> Machine:
    """Built, with one GPU and a copy engine beside it, or with no GPU and one CPU. What the experiment says wrong is an
    error in the experiment."""
    key = experiment.machine.use, json.dumps(experiment.machine.set, sort_keys=True, default=str)
    return _MACHINES.get(key, assumptions, lambda apart: _built(experiment, apart))


def _built(experiment: Experiment, assumptions: Assumptions) -> tuple[Machine, Mapping[Path, Stamp]]:
    try:
        machine, reading = read_machine(experiment.machine.use, assumptions, experiment.machine.set)
    except InputError as error:
        if error.where != EXPERIMENT:
            raise
        field = "machine.use" if error.field == "machine" else f"machine.{error.field}"
        raise error.at(experiment.where, field) from None
    _require_main_unit(machine, experiment.where)
    return machine, reading.files


def _require_main_unit(machine: Machine, where: str) -> None:
    found = machine.main_units
    if len(found) != 1:
        counted = Plain(f"{machine.name} with {len(found)} GPUs" if found else f"{machine.name} without a GPU")
        raise InputError(where, "machine", counted, "a machine with one GPU, or with none and one CPU")
    if not machine.has_gpu:
        return
    beside = [unit for unit in machine.copy_units if unit.local_memory == found[0].local_memory]
    lanes = {lane for unit in beside for lane in unit.lanes}
    if not lanes >= set(COPY_LANES):
        named = Plain(f"{machine.name} with copy lanes {', '.join(sorted(lanes)) or 'none'} beside its GPU")
        raise InputError(where, "machine", named, f"a dma unit beside the GPU with the lanes {', '.join(COPY_LANES)}")
