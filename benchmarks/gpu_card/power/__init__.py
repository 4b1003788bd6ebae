"""Energy of steady work: what NVML's energy counter says of idling, streams, products, copies, a decode-like loop."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from table import Table

from .cases import CASES
from .nvml import Sampler
from .steady import COUNTED, Load, idle, keep_busy

NAMED: Final = ("section", "case", "kernel", "dtype", "level", "data", "m", "n", "k", "programs", "busy_share")
COLUMNS: Final = (*NAMED, *COUNTED, *Sampler.COLUMNS)


def run(table: Table) -> None:
    """A row per case, the most wanted first. `watts` is of the energy counter; the others are means of samples.

    The columns ending in `_per_s` count what the work says it moves and computes, not what a counter saw.
    """
    with Sampler() as sampler:
        for named, build in CASES:
            table.measure({"section": "power", **named}, partial(_row, sampler, build))


def _row(sampler: Sampler, build: Any) -> dict[str, Any]:
    load = build()
    if isinstance(load, Load):
        counted, begin_s, end_s = keep_busy(load)
    else:
        counted, begin_s, end_s = idle(load)
    return {**counted, **sampler.between(begin_s, end_s)}
