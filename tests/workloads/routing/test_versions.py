"""Versions 1 and 2 of the generator draw from the same distribution.

Each figure is the mean over independent draws (other seeds, so other sequences and domains too), and may
differ by five of its standard errors. With so few draws chance alone would fail about one choice of
seeds in a hundred; these are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.workloads.routing import Routing, RoutingShape, TokenTrace, load_preset, routing_source, routing_stats
from moe_cosim.workloads.routing.counter_based.draw import draw_pooled
from moe_cosim.workloads.routing.kernels import lru_depths
from moe_cosim.workloads.routing.latent_field import draw_tokens
from moe_cosim.workloads.routing.statistics import cosine, expert_counts

SEEDS = 6
SEQUENCES, PROMPT, OUTPUT = 24, 40, 40
LAYERS = 8


def figures(routing: Routing) -> dict[str, float]:
    trace = TokenTrace.from_routing(routing)
    stats = routing_stats(trace)
    prefill = np.stack([expert_counts(one, routing.num_experts) for one in routing.prefill_experts])
    decode = np.stack([expert_counts(one, routing.num_experts) for one in routing.decode_experts.swapaxes(0, 1)])
    depths = lru_depths(trace.experts, trace.offsets, trace.num_experts).sum(axis=0)
    found = {
        "top quarter, pooled": stats.top_quarter_pooled,
        "largest load of a step": float(
            expert_counts(routing.decode_experts[0], routing.num_experts).max(axis=1).mean()
        ),
        "popularity": float(np.sort(expert_counts(trace.experts, routing.num_experts), axis=1)[:, -3:].mean()),
        "same sequence": stats.overlap_same_sequence,
        "other sequence": stats.overlap_other_sequence,
        "prefill to decode": float(cosine(prefill, decode).mean()),
        "next layer": stats.next_layer_predicted,
        "weight of the strongest": float(routing.decode_weights[..., 0].mean()),
        "weight of the weakest": float(routing.decode_weights[..., -1].mean()),
        "spread of weights": float(routing.prefill_weights[..., 0].std()),
    }
    found |= {f"overlap at {lag}": value for lag, value in stats.overlap_at_lag.items()}
    found |= {f"LRU of {capacity}": value for capacity, value in stats.lru_hit_rate.items()}
    found |= {f"LRU depth {d}": float(depths[d] / depths.sum()) for d in range(0, routing.num_experts, 5)}
    found |= {f"{size} distinct": value for size, value in stats.distinct_experts.items()}
    for batch in (4, 16):
        sets = [expert_counts(step[:batch], routing.num_experts) > 0 for step in routing.decode_experts]
        found[f"active of {batch}"] = float(np.mean(sets))
    return found


@pytest.mark.parametrize(
    ("preset", "experts", "k"),
    [("mixtral-8x7b", 8, 2), pytest.param("gpt-oss-20b", 32, 4, marks=pytest.mark.slow)],
)
def test_they_agree_in_every_figure(preset: str, experts: int, k: int) -> None:
    shape = RoutingShape(LAYERS, experts, k, SEQUENCES, PROMPT, OUTPUT)
    assert load_preset(preset).experts == experts

    def drawn(version: int) -> list[dict[str, float]]:
        source = routing_source({"source": "generator", "preset": preset, "version": version})
        return [figures(source.draw(shape, 100 * version + seed, Assumptions())) for seed in range(SEEDS)]

    first, second = drawn(1), drawn(2)
    for name in first[0]:
        one, other = np.array([row[name] for row in first]), np.array([row[name] for row in second])
        allowed = 5 * np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / SEEDS)
        assert abs(one.mean() - other.mean()) <= allowed + 1e-9, name


@pytest.mark.parametrize("lag", [1, 8])
def test_the_terms_together_correlate_as_they_should(lag: int) -> None:
    """All terms at once, many sequences: the mean overlap within four standard errors, 0.01 at most."""
    shape = RoutingShape(8, 8, 2, 1200, 20, 0)
    parameters = load_preset("mixtral-8x7b").for_layers(8)

    def overlaps(chosen: np.ndarray) -> np.ndarray:
        """[sequences]."""
        same = chosen[:, lag:, :, :, None] == chosen[:, :-lag, :, None, :]
        return same.sum(axis=(-1, -2)).mean(axis=(1, 2)) / 2

    one = overlaps(draw_tokens(parameters, shape, 1, 1.0)[0])
    other = overlaps(draw_pooled(parameters, shape, 2, 1.0).prefill_experts)
    error = np.sqrt((one.var() + other.var()) / len(one))
    assert error < 0.0025
    assert abs(one.mean() - other.mean()) < 4 * error
