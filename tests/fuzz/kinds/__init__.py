"""One file per kind of input: writes a changed one, and says which commands to give it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from moe_cosim.compiling import compiling
from tests.fuzz.judge import Command
from tests.fuzz.kinds import arrays, descriptions, experiments, programs, stores, sweeps

Write = Callable[[Random, Path], Sequence[Command]]
"""Writes its input below ``in`` (or ``outputs``) of the folder; the commands run in ``in``."""

KINDS: Final[dict[str, Write]] = {
    "experiment": experiments.experiment,
    "set": experiments.settings,
    "machine": descriptions.machine,
    "description": descriptions.description,
    "model": descriptions.model,
    "trace": arrays.trace,
    "losses": arrays.losses,
    "program": programs.program,
    "record": stores.record,
    "plan": stores.plan,
    "store": stores.store,
    "sweep": sweeps.sweep,
    "site": sweeps.site,
}


def make(kind: str, random: Random, folder: Path) -> Sequence[Command]:
    """The case's input in the new folder `folder`, and its commands."""
    for name in ("in", "outputs"):
        (folder / name).mkdir(parents=True)
    return KINDS[kind](random, folder)


def warm() -> None:
    """What is made once per process, made before a case is timed."""
    compiling.said = True
    programs.ran()
    stores.kept()
