"""The generator: what it promises whatever the preset, and what each preset was fitted to."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import (
    LatentParameters,
    Routing,
    RoutingShape,
    TokenTrace,
    latent_field,
    load_preset,
    preset_names,
    read_trace,
    routers,
    routing_source,
    routing_stats,
)
from moe_cosim.workloads.routing.counter_based.draw import draw_pooled
from moe_cosim.workloads.routing.latent_field import draw_tokens
from moe_cosim.workloads.routing.statistics import cosine, expert_counts, top_share, zipf_exponent

SMALL = RoutingShape(layers=3, experts=16, top_k=2, sequences=3, prompt_tokens=20, output_tokens=15)
ARRAYS = ("prefill_experts", "prefill_weights", "decode_experts", "decode_weights")
VERSIONS = (1, 2)
KNOWN_DRAWS = {1: [[9, 14], [1, 2], [6, 3], [2, 0]], 2: [[1, 12], [6, 12], [12, 9], [14, 8]]}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    """How random numbers are drawn: everything below holds for both."""
    return int(request.param)


def draw(preset: str = "gpt-oss-20b", shape: RoutingShape = SMALL, seed: int = 1, **options: object) -> Routing:
    return routing_source({"source": "generator", "preset": preset, **options}).draw(shape, seed, Assumptions())


def same(a: Routing, b: Routing) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS)


def flat(layers: int = 4, **shares: float) -> LatentParameters:
    """Made-up parameters, the same for all layers."""
    arrays = ("popularity", "domain", "sequence", "phase", "slow", "fast", "slow_rho")
    values = {name: np.full(layers, shares.get(name, 0.0)) for name in arrays}
    return LatentParameters("test", "test", 16, 2, 1, shares.get("coupling", 0.0), 0.0, **values)


def chosen_by(version: int, parameters: LatentParameters, shape: RoutingShape, seed: int) -> np.ndarray:
    """[sequences, prompt and output tokens, layers, k]."""
    if version == 1:
        return draw_tokens(parameters, shape, seed, 1.0)[0]
    drawn = draw_pooled(parameters, shape, seed, 1.0)
    return np.concatenate([drawn.prefill_experts, drawn.decode_experts.swapaxes(0, 1)], axis=1)


def overlap_of(version: int, parameters: LatentParameters, lag: int, experts: int = 16, k: int = 2) -> float:
    """Share of experts that tokens `lag` apart have in common, in a large draw."""
    chosen = chosen_by(version, parameters, RoutingShape(parameters.layers, experts, k, 40, 200, 0), 3)
    pairs = chosen[:, lag:, :, :, None] == chosen[:, :-lag, :, None, :]
    return float(pairs.sum(axis=(-1, -2)).mean() / k)


def overlap_at_correlation(r: float, experts: int = 16, k: int = 2) -> float:
    """The same by brute force, for scores that correlate by r."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60_000, experts))
    y = r * x + np.sqrt(1 - r * r) * rng.standard_normal(x.shape)
    a, b = np.argsort(-x, axis=1)[:, :k], np.argsort(-y, axis=1)[:, :k]
    return float((a[:, :, None] == b[:, None, :]).sum(axis=(1, 2)).mean() / k)


def test_draw_has_the_shape_asked_for_and_is_valid(version: int) -> None:
    routing = draw(version=version)
    assert routing.prefill_experts.shape == (3, 20, 3, 2)
    assert routing.decode_experts.shape == (15, 3, 3, 2)
    assert routing.prefill_experts.dtype == np.uint16
    assert routing.decode_weights.dtype == np.float32
    np.testing.assert_allclose(routing.prefill_weights.sum(axis=-1), 1, rtol=1e-6)
    assert (np.diff(routing.decode_weights, axis=-1) <= 0).all()  # the strongest choice first
    routing.validate()


def test_version_and_seed_decide_everything(version: int) -> None:
    assert same(draw(seed=5, version=version), draw(seed=5, version=version))
    assert not same(draw(seed=5, version=version), draw(seed=6, version=version))
    assert not same(draw(seed=5, version=version), draw(seed=5, version=3 - version))
    assert f"version {version}, preset gpt-oss-20b, seed 5" in draw(seed=5, version=version).source
    assert same(draw(seed=5), draw(seed=5, version=2))


@pytest.mark.parametrize(("values", "streams"), [(1, 4096), (500, 4), (1 << 21, 1)])
def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch, values: int, streams: int) -> None:
    whole = draw(version=1)
    monkeypatch.setattr(latent_field, "_BLOCK_VALUES", values)
    monkeypatch.setattr(latent_field, "_OPEN_STREAMS", streams)
    assert same(whole, draw(version=1))


def test_more_sequences_or_output_leave_the_first_ones_as_they_were(version: int) -> None:
    few, many = draw(version=version), draw(shape=replace(SMALL, sequences=5, output_tokens=40), version=version)
    assert np.array_equal(few.prefill_experts, many.prefill_experts[:3])
    assert np.array_equal(few.decode_experts, many.decode_experts[:15, :3])


def test_a_known_draw_is_the_same_on_every_machine(version: int) -> None:
    assert draw(version=version).prefill_experts[0, :4, 0].tolist() == KNOWN_DRAWS[version]


def test_no_output_is_a_prefill_only_run(version: int) -> None:
    assert draw(shape=replace(SMALL, output_tokens=0), version=version).decode_experts.shape == (0, 3, 3, 2)


@pytest.mark.parametrize(
    ("shares", "lag"),
    [
        ({"sequence": 0.4}, 10),
        ({"slow": 0.6, "slow_rho": 0.9}, 1),
        ({"slow": 0.6, "slow_rho": 0.9}, 8),
        ({"fast": 0.3}, 1),
        ({"fast": 0.3}, 2),
        ({"sequence": 0.2, "phase": 0.1, "slow": 0.3, "slow_rho": 0.8, "fast": 0.15, "coupling": 0.7}, 1),
    ],
)
def test_tokens_correlate_as_the_shares_say(version: int, shares: dict[str, float], lag: int) -> None:
    parameters = flat(layers=2, **shares)
    expected = overlap_at_correlation(float(parameters.lag_correlation(lag)[0]))
    assert overlap_of(version, parameters, lag) == pytest.approx(expected, abs=0.015)


def test_prefill_and_decode_share_the_state_of_their_sequence(version: int) -> None:
    def similarity(parameters: LatentParameters) -> tuple[float, float]:
        chosen = chosen_by(version, parameters, RoutingShape(4, 16, 2, 30, 150, 150), 2)
        prefill = np.stack([expert_counts(one[:150], 16) for one in chosen])
        decode = np.stack([expert_counts(one[150:], 16) for one in chosen])
        return float(cosine(prefill, decode).mean()), float(cosine(prefill, np.roll(decode, 1, axis=0)).mean())

    own, other = similarity(flat(sequence=0.4))
    assert own > 0.95
    assert other < 0.75
    drawn_anew, other = similarity(flat(phase=0.4))
    assert drawn_anew == pytest.approx(other, abs=0.05)
    chosen = chosen_by(version, flat(slow=1.0, slow_rho=0.999), RoutingShape(4, 16, 2, 30, 50, 50), 2)
    assert (chosen[:, 49, :, 0] == chosen[:, 50, :, 0]).mean() > 0.9  # decode goes on where the prompt ended


def test_layers_agree_as_the_coupling_says(version: int) -> None:
    def predicted(coupling: float) -> float:
        shape = RoutingShape(4, 16, 2, 20, 300, 0)
        chosen = chosen_by(version, flat(coupling=coupling, sequence=0.2), shape, 2)
        offsets = np.arange(21) * 300
        return routing_stats(TokenTrace(chosen.reshape(-1, 4, 2), None, offsets, 16)).next_layer_predicted

    apart, loosely, closely = predicted(0.0), predicted(0.6), predicted(0.95)
    assert apart == pytest.approx(2 / 16, abs=0.03)
    assert apart + 0.1 < loosely < closely - 0.2
    assert predicted(1.0) == 1.0


def test_one_domain_is_more_skewed_than_mixed_traffic(version: int) -> None:
    shape = RoutingShape(26, 64, 6, 20, 50, 0)
    mixed = routing_stats(draw("deepseek-v2-lite", shape, version=version))
    single = routing_stats(draw("deepseek-v2-lite", shape, domain=2, version=version))
    assert single.zipf_pooled > mixed.zipf_pooled + 0.1
    assert single.overlap_other_sequence > mixed.overlap_other_sequence + 0.02


# --- what the presets were fitted to: published analysis of the real traces --------------------------

PUBLISHED = {
    "deepseek-v2-lite": {
        "zipf_pooled": 0.51,
        "top_quarter_pooled": 0.43,
        "top_quarter_one_sequence": 0.56,
        "max_over_mean_pooled": 2.7,
        "overlap_at_lag": {1: 0.278, 8: 0.184, 64: 0.170},
        "overlap_same_sequence": 0.164,
        "overlap_other_sequence": 0.118,
        "lru_hit_rate": {6: 0.206, 12: 0.391, 16: 0.490, 24: 0.630, 32: 0.739},
        "distinct_experts": {8: 33.0, 32: 57.7, 128: 63.9},
        "next_layer_predicted": 0.56,
        "next_layer_by_popularity": 0.19,
        "lag1_layers": (0.136, 0.350, 0.240),
    },
    "gpt-oss-20b": {
        "zipf_pooled": 1.07,
        "top_quarter_pooled": 0.50,
        "top_quarter_one_sequence": 0.67,
        "max_over_mean_pooled": 2.6,
        "overlap_at_lag": {1: 0.442, 8: 0.351, 64: 0.326},
        "overlap_same_sequence": 0.306,
        "overlap_other_sequence": 0.193,
        "lru_hit_rate": {4: 0.345, 8: 0.621, 12: 0.790, 16: 0.889},
        "distinct_experts": {8: 17.8, 32: 26.6, 128: 30.3},
        "next_layer_predicted": 0.62,
        "next_layer_by_popularity": 0.29,
        "lag1_layers": (0.195, 0.605, 0.555),
    },
}
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "routing"
FILES = {"deepseek-v2-lite": "deepseek_v2_lite_top6.npz", "gpt-oss-20b": "gpt_oss_20b_decode_top4.npz"}


def generated(preset: str, seed: int, version: int) -> dict:
    """Statistics of about as much traffic as the trace has."""
    parameters = load_preset(preset)
    tokens = {"deepseek-v2-lite": 160, "gpt-oss-20b": 320}[preset]
    shape = RoutingShape(parameters.layers, parameters.experts, parameters.top_k, 100, tokens // 2, tokens // 2)
    return as_row(routing_stats(draw(preset, shape, seed, version=version)))


@cache
def measured(preset: str) -> dict:
    """Statistics of the real trace."""
    return as_row(routing_stats(read_trace(DATA / FILES[preset])))


def as_row(stats: object) -> dict:
    row = {field.name: getattr(stats, field.name) for field in fields(stats)}  # type: ignore[arg-type]
    layers = row["lag1_overlap_by_layer"]
    row["lag1_layers"] = (layers[0], max(layers), layers[-1])
    return row


def check_agreement(found: dict, real: dict) -> None:
    """Lag curve within .025, LRU hit rates within .03, distinct experts within 5 %, and the rest near."""
    assert found["overlap_at_lag"] == pytest.approx(real["overlap_at_lag"], abs=0.025)
    assert found["lru_hit_rate"] == pytest.approx(real["lru_hit_rate"], abs=0.03)
    assert found["distinct_experts"] == pytest.approx(real["distinct_experts"], rel=0.05)
    for name in ("overlap_same_sequence", "overlap_other_sequence"):
        assert found[name] == pytest.approx(real[name], abs=0.015), name
    for name in ("top_quarter_pooled", "top_quarter_one_sequence", "next_layer_predicted", "next_layer_by_popularity"):
        assert found[name] == pytest.approx(real[name], abs=0.03), name
    assert found["zipf_pooled"] == pytest.approx(real["zipf_pooled"], abs=0.08)
    assert found["max_over_mean_pooled"] == pytest.approx(real["max_over_mean_pooled"], rel=0.2)
    assert found["lag1_layers"] == pytest.approx(real["lag1_layers"], abs=0.05)


@pytest.mark.parametrize(
    ("version", "seed"), [(2, 1), *(pytest.param(*other, marks=pytest.mark.slow) for other in ((1, 1), (2, 2)))]
)
@pytest.mark.parametrize("preset", PUBLISHED)
def test_preset_matches_the_published_figures(preset: str, seed: int, version: int) -> None:
    found = generated(preset, seed, version)
    check_agreement(found, PUBLISHED[preset])
    if DATA.exists():
        check_agreement(found, measured(preset))


@pytest.mark.parametrize("preset", PUBLISHED)
@pytest.mark.skipif(not DATA.exists(), reason="the real traces are not beside the checkout")
def test_statistics_of_the_real_traces_are_the_published_ones(preset: str) -> None:
    real = measured(preset)
    published = PUBLISHED[preset]
    assert real["overlap_at_lag"] == pytest.approx(published["overlap_at_lag"], abs=0.001)
    assert real["lru_hit_rate"] == pytest.approx(published["lru_hit_rate"], abs=0.007)
    assert real["distinct_experts"] == pytest.approx(published["distinct_experts"], rel=0.015)
    assert real["lag1_layers"] == pytest.approx(published["lag1_layers"], abs=0.001)
    assert real["next_layer_predicted"] == pytest.approx(published["next_layer_predicted"], abs=0.01)
    assert real["next_layer_by_popularity"] == pytest.approx(published["next_layer_by_popularity"], abs=0.012)
    assert real["overlap_same_sequence"] == pytest.approx(published["overlap_same_sequence"], abs=0.003)
    assert real["overlap_other_sequence"] == pytest.approx(published["overlap_other_sequence"], abs=0.003)
    assert real["zipf_pooled"] == pytest.approx(published["zipf_pooled"], abs=0.02)


def test_mixtral_prefill_predicts_decode_as_published(version: int) -> None:
    """arXiv 2512.04476: cosine of one sequence's counts in prefill and decode, mean .89, lowest layer about .82."""
    routing = draw("mixtral-8x7b", RoutingShape(32, 8, 2, 60, 128, 384), version=version)
    prefill = np.stack([expert_counts(one, 8) for one in routing.prefill_experts])
    decode = np.stack([expert_counts(one, 8) for one in routing.decode_experts.swapaxes(0, 1)])
    by_layer = cosine(prefill, decode).mean(axis=0)
    assert by_layer.mean() == pytest.approx(0.89, abs=0.015)
    assert by_layer.min() == pytest.approx(0.82, abs=0.02)


def test_mixtral_skew_and_repetition_as_published(version: int) -> None:
    parameters = load_preset("mixtral-8x7b")
    assert parameters.lag_correlation(1)[[0, 15, 31]] == pytest.approx([0.03, 0.28, 0.08], abs=0.001)
    shape = RoutingShape(32, 8, 2, 1000, 30, 0)  # many short ones: few would add their own skew
    routing = draw("mixtral-8x7b", shape, version=version)
    pooled = expert_counts(routing.prefill_experts.reshape(-1, 32, 2), 8)
    assert np.mean([zipf_exponent(row) for row in pooled]) == pytest.approx(0.17, abs=0.02)
    assert np.mean([top_share(row) for row in pooled]) == pytest.approx(0.29, abs=0.01)
    assert (pooled.max(axis=1) / pooled.mean(axis=1)).mean() == pytest.approx(1.19, abs=0.04)
    chosen = routing.prefill_experts
    shared = (chosen[:, 1:, :, :, None] == chosen[:, :-1, :, None, :]).any(axis=(-1, -2)).mean(axis=(0, 1))
    # Mixtral paper, table 5: consecutive tokens that share the first or second choice, mean of its domains.
    assert shared[[0, 15, 31]] == pytest.approx([0.480, 0.637, 0.517], abs=0.025)


def test_qwen3_correlation_as_published() -> None:
    correlation = load_preset("qwen3-30b").lag_correlation(1)
    assert correlation[[0, 7, 47]] == pytest.approx([0.07, 0.87, 0.40], abs=0.005)
    assert correlation.mean() == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_serves_other_models(preset: str, version: int) -> None:
    routing = draw(preset, RoutingShape(7, 24, 3, 2, 5, 5), version=version)
    routing.validate()
    assert "adapted" in routing.source
    stretched = load_preset(preset).for_layers(100)
    assert stretched.layers == 100
    assert stretched.slow[[0, -1]] == pytest.approx(load_preset(preset).slow[[0, -1]])


def test_assumptions_are_used_recorded_and_checked(version: int) -> None:
    source = routing_source({"source": "generator", "preset": "mixtral-8x7b", "version": version})
    assumptions = Assumptions({"routing-weight-scale": 0.0})
    routing = source.draw(SMALL, 1, assumptions)
    assert (routing.prefill_weights == 0.5).all()
    assert {a.name for a in assumptions.used()} == {"routing-weight-scale", "routing-layer-coupling"}
    with pytest.raises(InputError, match="routing-layer-coupling"):
        source.draw(SMALL, 1, Assumptions({"routing-layer-coupling": 2}))


def test_routing_that_no_model_could_do_is_refused() -> None:
    good = draw()
    twice = good.prefill_experts.copy()
    twice[0, 0, 0] = 3
    bad_weights = good.decode_weights.copy()
    bad_weights[0, 0, 0, 0] = np.nan
    for bad in (
        replace(good, prefill_experts=twice),
        replace(good, decode_weights=bad_weights),
        replace(good, decode_weights=-good.decode_weights),
        replace(good, num_experts=2),
        replace(good, decode_experts=good.decode_experts[:, :2], decode_weights=good.decode_weights[:, :2]),
        replace(good, prefill_experts=good.prefill_experts[:, :0], prefill_weights=good.prefill_weights[:, :0]),
    ):
        with pytest.raises(InputError):
            bad.validate()


def test_both_sources_are_registered_with_a_summary() -> None:
    assert {"generator", "trace"} <= set(routers.names())
    assert all(cls.summary for _, cls in routers)
