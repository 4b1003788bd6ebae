"""The predictor: a 4-bit state per neuron, and two neurons of the layer before (IV-C)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HIGHEST = 15
RISE = 4
CORRELATED_WEIGHT = 6
THRESHOLD = 15
FIRST_LAYER = 9
"""What the state must exceed in the first layer, which has no layer before it: as if one of two were active
(inferred)."""

States = NDArray[np.int8]


def first_states(prompt_frequency: NDArray[np.floating]) -> States:
    """From how often each was active in the prompt [layers, clusters]: 16 stages, 0 below 2 % and 15 above 90 %, evenly
    between.
    """
    stage = 1 + np.floor((prompt_frequency - 0.02) / (0.90 - 0.02) * (HIGHEST - 1))
    stage = np.clip(stage, 1, HIGHEST - 1)
    stage = np.where(prompt_frequency < 0.02, 0, np.where(prompt_frequency > 0.90, HIGHEST, stage))
    return np.asarray(stage, np.int8)


def next_states(states: States, active: NDArray[np.bool_]) -> States:
    """Up by 4 where active, else down by 1, from 0 to 15; both [layers, clusters]."""
    return np.where(active, np.minimum(states + RISE, HIGHEST), np.maximum(states - 1, 0)).astype(np.int8)


def predicted(states: States, active: NDArray[np.bool_], correlated: NDArray[np.integer]) -> NDArray[np.bool_]:
    """[layers, clusters] s1 + 6 s2 > 15: s1 is the state, s2 how many of the two `correlated` are active in the layer
    before, which has run when a layer is predicted."""
    layers = np.arange(len(states))[:, None, None]
    both = active[layers - 1, correlated] & (correlated >= 0)
    likely: NDArray[np.bool_] = states + CORRELATED_WEIGHT * both.sum(axis=2, dtype=np.int16) > THRESHOLD
    likely[0] = states[0] > FIRST_LAYER
    return likely
