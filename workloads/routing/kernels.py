"""The compiled inner loops: drawing tokens of one layer, and LRU depths.

No fast-math: the results are the same bits wherever they run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_making_arrays

F32 = NDArray[np.float32]


@compiled_making_arrays
def choose_experts(
    common: F32,
    own: F32,
    places: NDArray[np.int64],
    level: F32,
    slow: F32,
    before: F32,
    factors: F32,
    prompt_left: int,
    chosen: NDArray[np.uint16],
    scores: F32,
) -> None:
    """Scores of one layer's tokens and their k best experts, best first; ties go to the lower id.

    common, own [sequences, tokens, 2, experts]: standard normal innovations of the slow and of the
    short-lived term, shared by all layers (where expert e looks at place places[e]) and this layer's.
    level [sequences, 2, experts]: what does not change over a prompt / over the decoded tokens.
    slow, before [sequences, experts]: the slow term and the last short-lived innovation, updated.
    factors: (common, own, rho, slow innovation, slow share, short now, short before).
    chosen, scores [sequences, tokens, k]: written.
    """
    shared, fresh, rho, innovation = factors[0], factors[1], factors[2], factors[3]
    slow_factor, now_factor, before_factor = factors[4], factors[5], factors[6]
    sequences, tokens, _, experts = own.shape
    k = chosen.shape[2]
    best = np.empty(k, np.float32)
    ids = np.empty(k, np.uint16)
    for s in range(sequences):
        for t in range(tokens):
            phase = 0 if t < prompt_left else 1
            best[:] = np.float32(-np.inf)
            for e in range(experts):
                place = places[e]
                step = shared * common[s, t, 0, place] + fresh * own[s, t, 0, e]
                now = shared * common[s, t, 1, place] + fresh * own[s, t, 1, e]
                state = rho * slow[s, e] + innovation * step
                z = level[s, phase, e] + slow_factor * state + now_factor * now + before_factor * before[s, e]
                slow[s, e] = state
                before[s, e] = now
                if z > best[k - 1]:
                    at = k - 1
                    while at > 0 and z > best[at - 1]:
                        best[at] = best[at - 1]
                        ids[at] = ids[at - 1]
                        at -= 1
                    best[at] = z
                    ids[at] = e
            for j in range(k):
                chosen[s, t, j] = ids[j]
                scores[s, t, j] = best[j]


@compiled_making_arrays
def lru_depths(experts: NDArray[np.uint16], offsets: NDArray[np.int64], num_experts: int) -> NDArray[np.int64]:
    """How deep in the list of most recently used experts each choice was found.

    experts [tokens, layers, k]; every document starts with an empty list. Returns counts
    [layers, num_experts + 1]: column d counts choices at depth d (a cache of C > d experts hits),
    the last column those never seen before.
    """
    _, layers, k = experts.shape
    counts = np.zeros((layers, num_experts + 1), np.int64)
    recent = np.empty(num_experts, np.uint16)
    for layer in range(layers):
        for document in range(len(offsets) - 1):
            length = 0
            for t in range(offsets[document], offsets[document + 1]):
                for j in range(k):
                    expert = experts[t, layer, j]
                    depth = 0
                    while depth < length and recent[depth] != expert:
                        depth += 1
                    if depth == length:
                        counts[layer, num_experts] += 1
                        length += 1
                    else:
                        counts[layer, depth] += 1
                    for i in range(depth, 0, -1):
                        recent[i] = recent[i - 1]
                    recent[0] = expert
    return counts


@compiled_making_arrays
def choose_by_weight(cumulative: NDArray[np.float64], tokens: int, k: int, state: int) -> NDArray[np.uint16]:
    """[steps, layers, tokens, k] different experts per token, drawn one after the other by weight.

    cumulative [steps, layers, experts]: running sums of the weights. An expert drawn twice by a
    token is drawn anew. `state`: of the generator, splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    steps, layers, experts = cumulative.shape
    chosen = np.empty((steps, layers, tokens, k), np.uint16)
    guide = np.empty(256, np.int64)
    seed = np.uint64(state)
    for s in range(steps):
        for layer in range(layers):
            sums = cumulative[s, layer]
            total = sums[experts - 1]
            at = 0
            for g in range(256):
                while at < experts - 1 and sums[at] < total * g / 256:
                    at += 1
                guide[g] = at
            for t in range(tokens):
                j = 0
                while j < k:
                    seed += np.uint64(0x9E3779B97F4A7C15)
                    mixed = (seed ^ (seed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                    mixed = mixed ^ (mixed >> np.uint64(31))
                    uniform = (mixed >> np.uint64(11)) * 1.1102230246251565e-16
                    expert = guide[int(uniform * 256)]
                    while expert < experts - 1 and sums[expert] <= uniform * total:
                        expert += 1
                    fresh = True
                    for i in range(j):
                        if chosen[s, layer, t, i] == expert:
                            fresh = False
                            break
                    if fresh:
                        chosen[s, layer, t, j] = expert
                        j += 1
    return chosen


@compiled
def count_choices(
    experts: NDArray[np.uint16],
    weights: NDArray[np.float32],
    equal: float,
    counts: NDArray[np.int64],
    sums: NDArray[np.float64],
    starts: NDArray[np.int64],
    row_experts: NDArray[np.uint16],
    row_tokens: NDArray[np.int32],
    row_weights: NDArray[np.float64],
) -> None:
    """Who was chosen how often, step by step in the order in which the choices lie.

    experts, weights [steps, tokens, layers, k]; where `weights` is empty each choice weighs `equal`.
    counts, sums [layers, experts]: all 0, and so again in the end.
    starts [cells + 1 or more]: where the rows of the first cell start; the others' and the end are written.
    row_experts, row_tokens, row_weights: written, experts increasing within each (step, layer).
    """
    steps, tokens, layers, k = experts.shape
    weighted = weights.shape[0] > 0
    at = starts[0]
    for step in range(steps):
        for token in range(tokens):
            for layer in range(layers):
                for j in range(k):
                    expert = experts[step, token, layer, j]
                    counts[layer, expert] += 1
                    if weighted:
                        sums[layer, expert] += weights[step, token, layer, j]
        for layer in range(layers):
            for e in range(counts.shape[1]):
                found = counts[layer, e]
                if found > 0:
                    row_experts[at] = e
                    row_tokens[at] = found
                    row_weights[at] = sums[layer, e] if weighted else found * equal
                    counts[layer, e] = 0
                    sums[layer, e] = 0.0
                    at += 1
            starts[step * layers + layer + 1] = at
