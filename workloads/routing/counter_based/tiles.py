"""What a token costs in version 2: a few passes over tiles of 8 experts by 16 layers, each one vector loop.

All arithmetic is single additions and multiplications of float32 in a fixed order, then integers: the
same bits on every machine. Rows of a tile are places of the field that all layers share (an expert of
each layer looks at one of them), lanes are layers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.workloads.routing.counter_based.best import keep_best

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


SEQUENCE, PROMPT, OUTPUT, SLOW, KEEP, PUSH, NOW, BEFORE, ONE = range(9)
"""Factors of a layer: of what lasts a sequence, its prompt, its output; of the slow term's first value, rho, and
the slow term's innovation; of short-lived innovations of this token and the last one; and 1."""
SHARED, OWN = range(2)


class LatentFields(NamedTuple):
    """One model's parameters as tiles."""

    steady: F32
    """[domains, chunks * tiles, 128]: popularity and domain, scaled; far below all others where there is no expert."""
    factors: F32
    """[9, chunks of 16 layers, 128], the same in all rows."""
    pools: F32
    """[2, POOL + 128] normals: times the square root of half the coupling, of which two are added; and times that of
    what the coupling leaves."""
    ids: I32
    """[chunks * tiles, 128]: the experts' numbers."""


class Scratch(NamedTuple):
    """What the passes write: of one sequence (level, slow), of one token, or of one chunk of its layers."""

    level: F32
    """[2, chunks * tiles, 128]: in the prompt, in the output."""
    slow: F32
    """[chunks * tiles, 128] the slow term, scaled."""
    common: F32
    """[3, tiles, 128]: innovations all layers share, the same in all lanes: slow; short-lived, even and odd tokens."""
    hashes: NDArray[np.uint64]
    """[2, chunks * tiles]: say where short-lived innovations lie in the pool, of even and odd tokens."""
    rows: I32
    """[16 * 16] keys as `keep_best` takes them."""
    best: I32
    """[groups of 8 * 8 * 16]: the best keys of each lane, sorted."""
    weights: F32
    """[groups of 8 * 8 * 16] gate weights of these."""
    total: F32
    """[16]."""


@compiled
def draw_sequences(
    fields: LatentFields,
    scratch: Scratch,
    domains: NDArray[np.int64],
    key: np.uint64,
    first_sequence: int,
    last_sequence: int,
    first_token: int,
    last_token: int,
    prompt: int,
    layers: int,
    k: int,
    step: np.float32,
    id_mask: int,
    chosen: NDArray[np.uint16],
    weights: F32,
) -> None:
    """Tokens first to last (excluded) of sequences first to last (excluded), written where they belong.

    domains [sequences]: 0 for the first in `steady`. step: gate weights are exp(step * 64 * difference of keys).
    chosen, weights: the prompts [sequences, prompt, layers, k], then the outputs [output, sequences, layers, k].
    """
    sequences, chunks = len(domains), fields.factors.shape[1]
    tiles = len(fields.ids) // chunks
    level, slow, common, hashes, rows, best, raised, total = scratch
    factors, own, shared = fields.factors, fields.pools[OWN], fields.pools[SHARED]
    for s in range(first_sequence, last_sequence):
        key_of_sequence = hashed(key, s)
        _begin(fields, level, slow, common, domains[s], hashed(key_of_sequence, 0))
        for t in range(-1, last_token):
            key_of_token = hashed(key_of_sequence, t + 2)
            now, before = t & 1, 1 - (t & 1)
            for b in range(tiles):
                word = hashed(key_of_token, b)
                _spread(common[2, b], shared, word)
                _spread(common[now, b], shared, word >> np.uint64(32))
            phase = 0 if t < prompt else 1
            row = s * prompt + t if t < prompt else sequences * prompt + (t - prompt) * sequences + s
            for c in range(chunks):
                for b in range(tiles):
                    tile = c * tiles + b
                    word = hashed(key_of_token, tiles + tile)
                    hashes[now, tile] = word >> np.uint64(32)
                    if t >= 0:
                        _advance(slow[tile], factors[KEEP, c], factors[PUSH, c], common[2, b], own, word)
                if t < first_token:
                    continue
                for first in range(0, len(best), 128):
                    for i in range(128):
                        rows[128 + i] = -0x80000000
                    for b in range(tiles):
                        tile = c * tiles + b
                        _score(
                            rows,
                            fields.ids[tile],
                            id_mask,
                            level[phase, tile],
                            slow[tile],
                            factors[NOW, c],
                            factors[BEFORE, c],
                            common[now, b],
                            common[before, b],
                            own,
                            hashes[now, tile],
                            hashes[before, tile],
                        )
                        if first:
                            for i in range(128):
                                if rows[i] >= best[first - 16 + i % 16]:
                                    rows[i] = -0x80000000
                        keep_best(rows)
                    for i in range(128):
                        best[first + i] = rows[128 + i]
                _weigh(best, raised, total, k, step)
                lanes = min(16, layers - c * 16)
                _write(best, raised, lanes, k, id_mask, (row * layers + c * 16) * k, chosen, weights)


@compiled_part
def hashed(key: np.uint64, counter: int) -> np.uint64:
    """`moe_cosim.workloads.routing.counter_based.pool.mixed` of the key's counter."""
    word = key + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled_part
def _begin(fields: LatentFields, level: F32, slow: F32, common: F32, domain: int, key: np.uint64) -> None:
    """Levels and slow term of a sequence."""
    tiles = common.shape[1]
    for tile in range(len(slow)):
        for i in range(128):
            level[0, tile, i] = level[1, tile, i] = fields.steady[domain, tile, i]
            slow[tile, i] = 0
    for field in range(4):  # of the sequence, of its prompt, of its output, the slow term
        for b in range(tiles):
            _spread(common[0, 0], fields.pools[SHARED], hashed(key, 4 * b + field))
            for tile in range(b, len(slow), tiles):
                word = hashed(key, 4 * (tiles + tile) + field)
                for phase in range(2):
                    if field == 3 and phase == 0:
                        terms = slow[tile]
                    elif field == 0 or field == phase + 1:
                        terms = level[phase, tile]
                    else:
                        continue
                    _advance(
                        terms,
                        fields.factors[ONE, 0],
                        fields.factors[field, tile // tiles],
                        common[0, 0],
                        fields.pools[OWN],
                        word,
                    )


@compiled_part
def _spread(common: F32, pool: F32, word: np.uint64) -> None:
    """One tile of a field that all layers share: eight sums of two normals, each in all lanes."""
    one, other = np.int64(word & np.uint64(0x3FFF)), np.int64((word >> np.uint64(14)) & np.uint64(0x3FFF))
    for row in range(8):
        value = pool[one + row] + pool[other + row]
        for i in range(16):
            common[16 * row + i] = value


@compiled_part
def _advance(terms: F32, keep: F32, push: F32, common: F32, own: F32, word: np.uint64) -> None:
    """A tile of terms takes a step: what all layers share, and the layers' own part from the pool."""
    offset = np.int64(word & np.uint64(0x3FFF))
    for i in range(128):
        terms[i] = keep[i] * terms[i] + push[i] * (common[i] + own[offset + i])


@compiled_part
def _score(
    keys: I32,
    ids: I32,
    id_mask: int,
    level: F32,
    slow: F32,
    now: F32,
    before: F32,
    common: F32,
    common_before: F32,
    own: F32,
    word: np.uint64,
    word_before: np.uint64,
) -> None:
    """Keys of a tile: 2**27 times the score, the lowest bits replaced by the expert's number."""
    high = np.int32(~id_mask)
    offset, offset_before = np.int64(word & np.uint64(0x3FFF)), np.int64(word_before & np.uint64(0x3FFF))
    for i in range(128):
        short = now[i] * (common[i] + own[offset + i]) + before[i] * (common_before[i] + own[offset_before + i])
        score = level[i] + slow[i] + short
        keys[i] = (np.int32(score * np.float32(134217728.0)) & high) | ids[i]


@compiled_part
def _weigh(best: I32, weights: F32, total: F32, k: int, step: np.float32) -> None:
    """Softmax over each lane's k best: exp(64 y) as the 64th power of a polynomial, the same on every machine."""
    one = np.float32(1)
    for i in range(16):
        weights[i] = one
        total[i] = one
    for row in range(1, k):
        for i in range(16):
            y = max((np.float32(best[16 * row + i]) - np.float32(best[i])) * step, np.float32(-0.5))
            power = one + y * (one + y * (np.float32(0.5) + y * np.float32(1 / 6)))
            power = power * power
            power = power * power
            power = power * power
            power = power * power
            power = power * power
            power = power * power
            weights[16 * row + i] = power
            total[i] += power
    for i in range(16):
        total[i] = one / total[i]
    for row in range(k):
        for i in range(16):
            weights[16 * row + i] *= total[i]


@compiled_part
def _write(
    best: I32, weights: F32, lanes: int, k: int, id_mask: int, at: int, chosen: NDArray[np.uint16], chosen_weights: F32
) -> None:
    """The choices of one token in the layers of a chunk, from `at` on."""
    for i in range(lanes):
        for j in range(k):
            chosen[at] = best[16 * j + i] & id_mask
            chosen_weights[at] = weights[16 * j + i]
            at += 1
