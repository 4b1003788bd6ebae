"""What happened to every expert of every layer of a run."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.workloads.programs.program import COPY, PURPOSES, STREAM

QUANTITIES: Final = ("tokens", "runs", "bits", "near-data", "moves")
"""Tokens routed to it; kernels; mean width; share of the runs near the data; copies of its weights."""


def expert_table(run: KeptRun, quantity: str, phase: str | None = None) -> NDArray[np.float64]:
    """[layers, experts] one of `QUANTITIES` over the run, or over one phase; NaN where there is none.

    An expert that several units of a kind run in parts ran once. Raises `InputError` for an unknown quantity, and for
    a run without experts.
    """
    if quantity not in QUANTITIES:
        raise InputError("experts", "of", quantity, QUANTITIES)
    program = run.timeline.program
    tags = program.tags[program.events["tag"]]
    is_expert = tags["expert"] >= 0
    if phase is not None:
        is_expert &= tags["step"] > 0 if phase == "decode" else tags["step"] == 0
    if not is_expert.any():
        raise InputError(run.folder, "program.tags", Plain("no experts"), "a run of experts")
    shape = int(tags["layer"][is_expert].max()) + 1, int(tags["expert"][is_expert].max()) + 1
    if quantity == "moves":
        is_copy = (program.events["kind"] == COPY) & (tags["purpose"] == PURPOSES.index("move weights"))
        moved = tags[is_expert & is_copy]
        return _sums(shape, moved, np.ones(len(moved)), empty=0.0)
    runs = np.flatnonzero(
        is_expert & (program.events["kind"] == STREAM) & (tags["purpose"] == PURPOSES.index("expert"))
    )
    roles = [run.machine.units[unit].role for unit, _ in program.lanes]
    kind = np.array([list(Role).index(role) for role in roles])[program.events["lane"][runs]]
    tags = tags[runs]
    once = np.unique(np.stack([tags["step"], tags["layer"], tags["expert"], kind]), axis=1, return_index=True)[1]
    tags, kind = tags[once], kind[once]
    count = _sums(shape, tags, np.ones(len(tags)))
    if quantity == "runs":
        return count
    if quantity == "tokens":
        return _sums(shape, tags, tags["tokens"].astype(np.float64))
    is_near = (kind == list(Role).index(Role.NEAR_DATA)).astype(np.float64)
    value = tags["weight_bits"].astype(np.float64) if quantity == "bits" else is_near
    return _sums(shape, tags, value) / count


def _sums(
    shape: tuple[int, int], tags: NDArray[np.void], value: NDArray[np.float64], empty: float = np.nan
) -> NDArray[np.float64]:
    place = tags["layer"].astype(np.int64) * shape[1] + tags["expert"]
    size = shape[0] * shape[1]
    found = np.bincount(place, value, size).astype(np.float64)
    found[np.bincount(place, minlength=size) == 0] = empty
    return found.reshape(shape)
