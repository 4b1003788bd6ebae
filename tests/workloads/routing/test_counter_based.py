"""Version 2 of the generator: its pool, its sorting, its parts; and a plain NumPy version of it, number by number."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest

from moe_cosim.workloads.routing import LatentParameters, RoutingShape, load_preset
from moe_cosim.workloads.routing.counter_based.best import keep_best
from moe_cosim.workloads.routing.counter_based.draw import Drawn, PooledDraw, draw_pooled
from moe_cosim.workloads.routing.counter_based.pool import LONGEST_RUN, POOL, key, mixed, normal_pool
from moe_cosim.workloads.routing.latent_model import latent_model

SHAPE = RoutingShape(layers=19, experts=21, top_k=3, sequences=4, prompt_tokens=6, output_tokens=9)
TABLES = ("prefill_experts", "prefill_weights", "decode_experts", "decode_weights")
F32 = np.float32


def parameters(layers: int = SHAPE.layers) -> LatentParameters:
    return load_preset("gpt-oss-20b").for_layers(layers)


# --- the pool ------------------------------------------------------------------------------------


def test_pool_is_normal() -> None:
    pool = normal_pool()[:POOL].astype(float)
    assert pool.mean() == pytest.approx(0, abs=1e-7)
    assert pool.var() == pytest.approx(1, abs=1e-5)
    assert (pool**3).mean() == pytest.approx(0, abs=1e-6)
    assert (pool**4).mean() == pytest.approx(3, abs=0.02)
    for level in (-2.0, -1.0, 0.3, 1.5, 3.0):
        assert (pool < level).mean() == pytest.approx(NormalDist().cdf(level), abs=1e-3)


def test_pool_has_no_order() -> None:
    """Correlation at every distance within a run is sampling error: five standard deviations."""
    pool = normal_pool()[:POOL].astype(float)
    for distance in range(1, LONGEST_RUN + 1):
        assert abs((pool * np.roll(pool, distance)).mean()) < 5 / np.sqrt(POOL)


def test_pool_ends_where_it_begins() -> None:
    pool = normal_pool()
    assert np.array_equal(pool[POOL:], pool[:LONGEST_RUN])


def test_no_quantile_lies_where_math_libraries_could_round_it_apart() -> None:
    """Values are multiples of 2**-16; before rounding none was within 2**-36 of the middle between two."""
    normal = NormalDist()
    exact = np.array([normal.inv_cdf((q + 0.5) / 4096) for q in range(2048, 4096)])
    exact /= np.sqrt((exact**2).mean())
    steps = exact * 2**16
    assert np.abs(steps - np.floor(steps) - 0.5).min() > 2.0**-20
    assert np.array_equal(np.unique(np.abs(normal_pool())), (np.rint(steps) / 2**16).astype(F32))


# --- sorting -------------------------------------------------------------------------------------


def test_the_best_are_kept_in_order() -> None:
    """All 2^8 zero-one patterns of the new keys, the proof for a sorting network, and random tiles after it."""
    random = np.random.default_rng(0)
    tiles = [np.array([(n >> row) & 1 for row in range(8) for _ in range(16)], np.int32) for n in range(256)]
    tiles += [random.integers(-(2**31), 2**31, 128).astype(np.int32) for _ in range(50)]
    for one, other in pairwise(tiles):
        rows = np.concatenate([one, np.full(128, -(2**31), np.int32)])
        keep_best(rows)
        rows[:128] = other
        keep_best(rows)
        found = np.sort(np.concatenate([one, other]).reshape(16, 16), axis=0)[::-1][:8]
        assert np.array_equal(rows[128:].reshape(8, 16), found)


# --- parts ---------------------------------------------------------------------------------------


def same(a: Drawn, b: Drawn) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in TABLES)


@pytest.mark.parametrize(
    "parts",
    [
        [(range(4), range(15))],
        [(range(s, s + 1), range(15)) for s in (2, 0, 3, 1)],
        [(range(4), range(7, 15)), (range(4), range(7))],
        [(range(s, s + 2), range(t, min(t + 4, 15))) for s in (2, 0) for t in (12, 4, 8, 0)],
    ],
)
def test_sequences_and_windows_of_tokens_can_be_drawn_apart(parts: list[tuple[range, range]]) -> None:
    whole, drawn = draw_pooled(parameters(), SHAPE, 1, 1.25), Drawn.empty(SHAPE)
    for sequences, tokens in parts:
        PooledDraw(parameters(), SHAPE, 1, 1.25, None).draw_into(drawn, sequences, tokens)
    assert same(whole, drawn)


# --- number by number ----------------------------------------------------------------------------


def offsets(of: int, counter: int, shift: int = 0) -> list[int]:
    word = hashed(of, counter) >> shift
    return [word & 0x3FFF, (word >> 14) & 0x3FFF]


def hashed(of: int, counter: int) -> int:
    return mixed((of + counter * 0x9E3779B97F4A7C15) % 2**64)


class Plain:
    """One sequence, one layer and place at a time."""

    def __init__(self, p: LatentParameters, shape: RoutingShape, seed: int, sequence: int) -> None:
        self.p, self.shape, self.tiles = p, shape, -(-shape.experts // 8)
        self.key = hashed(key(seed, 1), sequence)
        self.model = latent_model(shape.experts, shape.layers, p.domains, p.coupling, p.popularity_skewness)
        self.domain = mixed(key(seed, 0) ^ mixed(sequence)) * p.domains >> 64
        self.shared, self.own = (
            normal_pool() * F32(np.sqrt(p.coupling / 2)),
            normal_pool() * F32(np.sqrt(1 - p.coupling)),
        )

    def normal(self, layer: int, place: int, of: int, common: int, own: int, shift: int) -> np.float32:
        row, lane = place % 8, layer % 16
        one, other = offsets(of, common, shift)
        mine = offsets(of, own, shift)[0]
        return F32(self.shared[one + row] + self.shared[other + row]) + self.own[mine + 16 * row + lane]

    def lasting(self, layer: int, place: int, field: int) -> np.float32:
        tile = place // 8
        own = 4 * (self.tiles + layer // 16 * self.tiles + tile) + field
        return self.normal(layer, place, hashed(self.key, 0), 4 * tile + field, own, 0)

    def of_token(self, layer: int, place: int, token: int, shift: int) -> np.float32:
        tile = place // 8
        own = self.tiles + layer // 16 * self.tiles + tile
        return self.normal(layer, place, hashed(self.key, token + 2), tile, own, shift)

    def scores(self, layer: int) -> np.ndarray:
        """[tokens, experts]."""
        p, shape = self.p, self.shape
        now, before = (F32(values[layer]) for values in p.short_factors())
        rho, slow_root = F32(p.slow_rho[layer]), np.sqrt(p.slow[layer])
        push = F32(slow_root * np.sqrt(1 - p.slow_rho[layer] ** 2))
        found = np.empty((shape.tokens_per_sequence, shape.experts))
        for expert in range(shape.experts):
            place = int(self.model.places[layer, expert])
            level = F32(
                np.sqrt(p.popularity[layer]) * self.model.popularity[layer, expert]
                + np.sqrt(p.domain[layer]) * self.model.domains[self.domain, layer, expert]
            ) + F32(np.sqrt(p.sequence[layer])) * self.lasting(layer, place, 0)
            phases = [level + F32(np.sqrt(p.phase[layer])) * self.lasting(layer, place, field) for field in (1, 2)]
            slow = F32(slow_root) * self.lasting(layer, place, 3)
            for token in range(shape.tokens_per_sequence):
                slow = rho * slow + push * self.of_token(layer, place, token, 0)
                short = now * self.of_token(layer, place, token, 32)
                short += before * self.of_token(layer, place, token - 1, 32)
                found[token, expert] = phases[int(token >= shape.prompt_tokens)] + slow + short
        return found


@pytest.mark.parametrize(("experts", "k"), [(21, 3), (8, 2), (13, 11)])
def test_it_is_the_model_number_by_number(experts: int, k: int) -> None:
    """Every choice and weight of some layers, from the scores of a plain loop; more than 8 experts a token too."""
    shape = RoutingShape(19, experts, k, 2, 3, 3)
    p = parameters(19)
    drawn = draw_pooled(p, shape, 7, 1.25)
    for sequence in range(2):
        chosen = np.concatenate([drawn.prefill_experts[sequence], drawn.decode_experts[:, sequence]])
        weights = np.concatenate([drawn.prefill_weights[sequence], drawn.decode_weights[:, sequence]])
        for layer in (0, 15, 18):
            scores = Plain(p, shape, 7, sequence).scores(layer)
            best = np.argsort(-scores, axis=1)[:, :k]
            assert np.array_equal(chosen[:, layer], best)
            raised = np.exp(1.25 * (np.take_along_axis(scores, best, axis=1) - scores.max(axis=1, keepdims=True)))
            assert weights[:, layer] == pytest.approx(raised / raised.sum(axis=1, keepdims=True), abs=1e-4)
