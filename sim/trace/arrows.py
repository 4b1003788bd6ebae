"""Flow arrows: from every signal to the end of each wait that it lets go on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.trace.packets import Arrows
from moe_cosim.workloads.programs.program import SIGNAL, WAIT


def arrows_of(
    events: NDArray[np.void], shown: NDArray[np.int64], sent_at: NDArray[np.int64], over_at: NDArray[np.int64]
) -> Arrows:
    """Among the events `shown`, which are the first slices [S], one arrow for each signal and wait of a token.

    `sent_at`, `over_at` [S]: the places of the slices' packets in the trace. An arrow that would lead back there (its
    signal takes no time) is left out, for Perfetto would take it for an end without a beginning.
    """
    kind, token = events["kind"][shown], events["token"][shown].astype(np.int64)
    signals, waits = np.flatnonzero(kind == SIGNAL), np.flatnonzero(kind == WAIT)
    signals = signals[np.argsort(token[signals], kind="stable")]
    first = np.searchsorted(token[signals], token[waits], "left")
    number = np.searchsorted(token[signals], token[waits], "right") - first
    target = np.repeat(waits, number)
    source = signals[np.repeat(first - np.cumsum(number) + number, number) + np.arange(len(target))]
    forwards = sent_at[source] < over_at[target]
    source, target = source[forwards], target[forwards]
    first_leaving, leaving = _by_slice(source, len(sent_at))
    first_arriving, arriving = _by_slice(target, len(sent_at))
    return Arrows(first_leaving, leaving, first_arriving, arriving)


def _by_slice(slice_: NDArray[np.int64], slices: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[slices + 1] and [arrows]: the arrows, numbered from 1, at each slice."""
    order = np.argsort(slice_, kind="stable")
    return np.searchsorted(slice_[order], np.arange(slices + 1)), order + 1
