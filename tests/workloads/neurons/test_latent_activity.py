"""The generator's activity has the statistics it is asked for, at any granularity."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.draw import Draw
from moe_cosim.workloads.neurons.latent import ActivityTargets, Latent
from moe_cosim.workloads.neurons.model import find_neuron_model
from moe_cosim.workloads.neurons.normal import NORMAL, both_above, correlation_for
from moe_cosim.workloads.neurons.source import draw_activity
from moe_cosim.workloads.neurons.statistics import activity_statistics
from tests.workloads.neurons.small import SMALL, experiment, like_small

PUBLISHED = ActivityTargets(0.1, 0.8, 0.9, 0.7, 0.9)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
def test_two_correlated_normals_above_thresholds_as_sampled(correlation: float) -> None:
    random = np.random.default_rng(1)
    first, other = random.standard_normal((2, 2_000_000))
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    sampled = float(((first > 1.2) & (second > 0.4)).mean())
    assert both_above(1.2, 0.4, correlation) == pytest.approx(sampled, abs=1e-3)


def test_without_correlation_both_are_the_product_and_with_all_of_it_the_smaller() -> None:
    assert both_above(1.0, 0.5, 0.0) == pytest.approx((1 - NORMAL.cdf(1.0)) * (1 - NORMAL.cdf(0.5)))
    assert both_above(1.0, 0.5, 1 - 1e-9) == pytest.approx(1 - NORMAL.cdf(1.0), rel=1e-3)


def test_a_correlation_is_found_again_and_none_where_there_is_none() -> None:
    def found(correlation: float) -> float:
        return both_above(1.0, 1.0, correlation)

    assert correlation_for(found(0.37), found) == pytest.approx(0.37)
    assert correlation_for(0.5, found) is None


def test_the_parts_are_the_whole_variance_and_give_the_statistics_back() -> None:
    latent = Latent.solved(PUBLISHED, "test")
    assert latent.own + latent.text + latent.token == pytest.approx(1)
    assert latent.similarity(0) == 1
    assert latent.similarity(1) == pytest.approx(0.9)
    assert latent.similarity(10_000) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (ActivityTargets(0.3, 0.8, 0.9, 0.7, 0.9), "hot_share"),  # a fifth cannot do so much of three tenths
        (ActivityTargets(0.2, 0.8, 0.9, 0.7, 0.9), "far_similarity"),  # what is always hot makes them more alike
        (ActivityTargets(0.1, 0.8, 0.6, 0.7, 0.9), "next_similarity"),
        (ActivityTargets(0.1, 0.8, 0.9, 0.7, 0.2), "layer_similarity"),
    ],
)
def test_statistics_that_contradict_each_other_are_refused(wanted: ActivityTargets, field: str) -> None:
    with pytest.raises(InputError, match=f"neurons.{field}") as refused:
        Latent.solved(wanted, "test")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("cluster_neurons", [4, 8, 16])
def test_activity_has_the_published_statistics_however_fine_it_is(cluster_neurons: int) -> None:
    model = like_small(intermediate=16384, hidden=4096)
    clusters = Clusters.of(model, cluster_neurons)
    draw = Draw(Latent.solved(PUBLISHED, "test"), clusters, model.layers, 32, seed=3)
    profile = np.concatenate([draw.active(-1 - text, 0, 1) for text in range(64)]).mean(axis=0)
    found = activity_statistics(draw.active(0, 0, 128), profile, draw.correlated[:, :, 0], clusters.neurons.tolist())
    assert found.density == pytest.approx(0.1, rel=0.1)
    assert found.hot_share == pytest.approx(0.8, abs=0.03)
    assert found.similarity[1] == pytest.approx(0.9, abs=0.02)
    assert found.similarity[25] == pytest.approx(0.7, abs=0.05)
    assert found.layer_similarity == pytest.approx(0.9, abs=0.03)
    assert 0.1 < found.changed_hot < 0.5


def test_any_part_of_a_text_is_drawn_alone() -> None:
    clusters = Clusters.of(SMALL, 16)
    draw = Draw(Latent.solved(PUBLISHED, "test"), clusters, SMALL.layers, 64, seed=5)
    whole = draw.active(2, 0, 12)
    assert np.array_equal(whole[5:9], draw.active(2, 5, 9))
    assert not np.array_equal(whole, draw.active(3, 0, 12))


def test_the_seed_says_everything_and_each_sequence_is_a_text_of_its_own() -> None:
    model = find_neuron_model("opt-13b", "test")
    asked = {"source": "generator", "cluster_neurons": 256, "bundle_neurons": 1024}
    one, again, other = (draw_activity(experiment(asked, seed=seed), model) for seed in (1, 1, 2))
    assert np.array_equal(one.tokens, again.tokens)
    assert not np.array_equal(one.tokens, other.tokens)
    three = draw_activity(experiment(asked, batch=3, seed=1), model)
    assert (three.tokens >= one.tokens).all()  # the first of them is that text
    assert three.tokens.max() == 3
    assert one.tokens.shape == (8, model.layers, one.clusters.count)


def test_clusters_hold_every_neuron_once() -> None:
    clusters = Clusters.of(SMALL, 100)
    assert [int(sizes.sum()) for sizes in clusters.sizes] == [512, 2048]
    assert clusters.sizes[0].tolist() == [100] * 5 + [12]
    assert int(clusters.bytes.sum()) == SMALL.layer_bytes - SMALL.projection_bytes


def test_activity_beyond_this_computers_memory_is_refused() -> None:
    asked = experiment({"source": "generator", "cluster_neurons": 1}, output=2_000_000_000)
    with pytest.raises(InputError, match="of activity") as refused:
        draw_activity(asked, find_neuron_model("opt-66b", "test"))
    assert "\n" not in str(refused.value)
