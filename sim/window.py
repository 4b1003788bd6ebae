"""A part of a program: some steps and layers of it, for an engine that is too slow for the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Window
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.base import Engine, Progress
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.rows import Extrapolation
from moe_cosim.workloads.programs.program import ACCESS, SIGNAL, WAIT, Program, dense_tokens


@dataclass(frozen=True)
class Span:
    """First and last (included) of what a window keeps."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str, where: object, field: str) -> Span:
        """``"3"`` or ``"1:4"``; raises `InputError` for an empty span."""
        first, _, last = text.partition(":")
        span = cls(int(first), int(last or first))
        if span.first > span.last:
            raise InputError(where, field, text, "first:last with first <= last")
        return span

    def holds(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Of each value whether it lies in the span, in the shape of `values`."""
        return np.asarray((values >= self.first) & (values <= self.last))

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"


def spans(chosen: Window, where: object) -> tuple[Span | None, Span | None]:
    """Steps and layers of an experiment's window."""
    steps, layers = (
        None if text is None else Span.parse(text, where, f"window.{name}")
        for name, text in (("steps", chosen.steps), ("layers", chosen.layers))
    )
    return steps, layers


def window(program: Program, steps: Span | None, layers: Span | None, where: object = "experiment") -> Program:
    """The events of these steps and layers, in their order; tokens from outside count as arrived.

    Events outside the layers (embedding, head) stay only where all layers do. Raises `InputError`
    where nothing is left.
    """
    tags = program.tags[program.events["tag"]]
    kept = np.ones(len(program.events), dtype=bool)
    if steps is not None:
        kept &= steps.holds(tags["step"])
    if layers is not None:
        kept &= layers.holds(tags["layer"])
    events = program.events[kept].copy()
    dense, first_token, tokens = dense_tokens(events)
    token = dense["token"].astype(np.int64) - first_token
    signals = np.bincount(token[events["kind"] == SIGNAL], minlength=tokens)
    waiting = events["kind"] == WAIT
    events["count"][waiting] = signals[token[waiting]]
    if not len(events):
        chosen = f"steps {steps or 'all'}, layers {layers or 'all'}"
        highest = f"steps 0 to {tags['step'].max(initial=0)}, layers 0 to {tags['layer'].max(initial=0)}"
        raise InputError(where, "window", Plain(f"no event in {chosen}"), highest)
    first, count = events["first_access"].astype(np.int64), events["accesses"].astype(np.int64)
    rows = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    accesses = program.accesses[rows] if len(rows) else np.zeros(0, ACCESS)
    events["first_access"] = np.cumsum(count) - count
    return Program(program.lanes, events, accesses, program.tags, program.machine, dict(program.meta))


def extrapolate(
    machine: Machine,
    program: Program,
    sampled: Engine,
    embedded: Engine,
    steps: Span | None,
    layers: Span | None,
    progress: Progress | None = None,
    where: object = "experiment",
) -> tuple[Timeline, Extrapolation]:
    """The whole program's timeline as the embedded engine has it, scaled by what `sampled` said of the window.

    Raises `InputError` naming `where` for a window without events, or in which no time passes.
    """
    part = window(program, steps, layers, where)
    seen = sampled.run(machine, part, progress)
    expected = embedded.run(machine, part)
    if not expected.total_ps:
        raise InputError(where, "window", Plain("events that take no time"), "a window in which time passes")
    ratio = seen.total_ps / expected.total_ps
    name = ", ".join(f"{what} {span}" for what, span in (("steps", steps), ("layers", layers)) if span is not None)
    said = Extrapolation(
        window=name,
        events=len(part.events),
        sampled_s=seen.total_ps / 1e12,
        embedded_s=expected.total_ps / 1e12,
        ratio=ratio,
    )
    return embedded.run(machine, program).stretched(ratio), said
