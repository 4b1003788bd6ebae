"""Which events of a run a trace shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.sim.window import Span
from moe_cosim.workloads.programs.program import PURPOSES

_HEAD: Final = PURPOSES.index("head")


@dataclass(frozen=True)
class Selection:
    """Steps and layers, first and last included; None: all. With `layers`, nothing outside the layers is shown."""

    steps: Span | None = None
    layers: Span | None = None

    @classmethod
    def parse(cls, steps: str | None, layers: str | None) -> Selection:
        """From ``first:last``, or one number; `InputError` for anything else."""
        return cls(_span("--steps", steps), _span("--layers", layers))

    def holds(self, tags: NDArray[np.void]) -> NDArray[np.bool_]:
        """[E] of events with these tags; `InputError` where the run does not have all that was asked for."""
        kept = np.ones(len(tags), np.bool_)
        for option, span, values in (("steps", self.steps, tags["step"]), ("layers", self.layers, layer_of(tags))):
            if span is None:
                continue
            highest = int(values.max(initial=0))
            if span.last > highest:
                raise InputError("trace", f"--{option}", str(span), f"within 0:{highest}, which the run has")
            kept &= span.holds(values)
        return kept


def layer_of(tags: NDArray[np.void]) -> NDArray[np.int16]:
    """Of tags [n]: -1 outside the layers; the head, which is tagged with the one behind the last, is outside too."""
    return np.where(tags["purpose"] == _HEAD, np.int16(-1), tags["layer"])


EVERYTHING: Final = Selection()


def _span(option: str, text: str | None) -> Span | None:
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}(:[0-9]{1,9})?", text) is None:
        raise InputError("trace", option, text, "first:last, or one number")
    return Span.parse(text, "trace", option)
