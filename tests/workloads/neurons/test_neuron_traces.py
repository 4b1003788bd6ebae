"""Recorded activity: read as it is, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.profiling import profiled
from moe_cosim.workloads.neurons.source import draw_activity
from tests.workloads.neurons.small import SMALL, experiment, like_small

TOKENS = 24


def _arrays() -> dict[str, NDArray[np.bool_]]:
    random = np.random.default_rng(7)
    widths = {"qkv": SMALL.hidden, "mlp": SMALL.intermediate}
    return {name: random.random((TOKENS, SMALL.layers, width)) < 0.2 for name, width in widths.items()}


def _file(folder: Path, arrays: dict[str, NDArray[np.bool_]]) -> str:
    path = folder / "activity.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def test_a_recording_is_the_activity_of_single_neurons(tmp_path: Path) -> None:
    arrays = _arrays()
    asked = experiment({"source": "trace", "file": _file(tmp_path, arrays)}, batch=2)
    found = draw_activity(asked, SMALL)
    assert found.clusters.neurons.tolist() == [1] * (SMALL.hidden + SMALL.intermediate)
    both = np.concatenate([arrays["qkv"], arrays["mlp"]], axis=2)
    assert np.array_equal(found.tokens, 2 * both[16:24])
    assert np.allclose(found.prompt_frequency, both[:16].mean(axis=0))
    assert np.allclose(found.profile.frequency, both[:12].mean(axis=0))


def test_of_a_longer_recording_the_beginning_is_taken(tmp_path: Path) -> None:
    arrays = _arrays()
    longer = {name: np.concatenate([array, array[:8]]) for name, array in arrays.items()}
    found = draw_activity(experiment({"source": "trace", "file": _file(tmp_path, longer)}), SMALL)
    assert np.array_equal(found.tokens, np.concatenate([arrays["qkv"], arrays["mlp"]], axis=2)[16:24])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("mlp"), "mlp"),
        (lambda arrays: arrays.update(qkv=arrays["qkv"].astype(np.float32)), "boolean"),
        (lambda arrays: arrays.update(qkv=arrays["qkv"][:, :, :-1]), "512"),
        (lambda arrays: arrays.update({name: array[:20] for name, array in arrays.items()}), "at least"),
        (lambda arrays: arrays.update(mlp=arrays["mlp"][:23]), "23 tokens"),
    ],
)
def test_what_is_no_recording_of_the_model_is_refused(tmp_path: Path, change: object, said: str) -> None:
    arrays = _arrays()
    assert callable(change)
    change(arrays)
    with pytest.raises(InputError, match=said) as refused:
        draw_activity(experiment({"source": "trace", "file": _file(tmp_path, arrays)}), SMALL)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("neurons", "said"),
    [({}, "neurons.source"), ({"source": "dice"}, "generator"), ({"source": "generator", "hot": 1}, "neurons.hot")],
)
def test_neurons_without_a_known_source_are_refused(neurons: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        draw_activity(experiment(neurons), SMALL)


def test_most_correlated_are_those_that_are_active_together() -> None:
    clusters = Clusters.of(like_small(hidden=8, heads=1, kv_heads=1, intermediate=8), 2)
    random = np.random.default_rng(2)
    before = random.random((200, 8)) < 0.3
    after = before[:, [1, 0, 3, 2, 5, 4, 7, 6]]
    found = profiled(np.stack([before, after], axis=1), clusters)
    assert (found.correlated[0] == -1).all()
    assert found.correlated[1, :, 0].tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
    assert np.allclose(found.frequency[0], before.mean(axis=0))


def test_of_each_the_two_most_correlated_are_kept() -> None:
    """Hermes' equation (arXiv 2502.16963, IV-C) takes two. Cluster 3 is active in tokens 0 to 3. Of those before it,
    2 is in the same four (4 of 4), 0 in three of them (3 of 4), 1 in all six (4 of 6) and 3 in none (0 of 6)."""
    clusters = Clusters.of(like_small(hidden=8, heads=1, kv_heads=1, intermediate=8), 2)
    active = np.zeros((6, 2, 8), np.bool_)
    active[:4, 1, 3] = active[:4, 0, 2] = active[:3, 0, 0] = active[:, 0, 1] = active[4:, 0, 3] = True
    assert profiled(active, clusters).correlated[1, 3].tolist() == [2, 0]
