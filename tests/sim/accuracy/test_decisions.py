"""Decisions of the experiment's own policy, and the arms made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.accuracy.arms import ARMS, arms, dealt, inverted, renamed_at_random, reversed_widths, split, splits
from moe_cosim.sim.accuracy.decisions import FULL, Decider, PromptRouting
from moe_cosim.workloads.quantization.allocation import allocators
from tests.sim.tiny import Tiny

LAYERS, EXPERTS, K = 2, 4, 2
LOSSES = np.array([[[8, 2, 0.5, 0.1], [4, 1, 0.3, 0.05], [60, 9, 2, 0.4], [1, 0.3, 0.1, 0.02]]] * LAYERS)


def routing(seed: int) -> PromptRouting:
    draw = np.random.default_rng(seed)
    popular = draw.dirichlet(np.ones(EXPERTS), size=LAYERS)
    chosen = [[draw.choice(EXPERTS, K, replace=False, p=popular[layer]) for layer in range(LAYERS)] for _ in range(20)]
    weights = np.sort(draw.dirichlet(np.ones(K), size=(20, LAYERS)), axis=2)[..., ::-1]
    return PromptRouting(np.array(chosen, np.uint16), weights.astype(np.float32), EXPERTS)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    np.savez(tmp_path / "losses.npz", bits=np.arange(1, 5), loss=LOSSES)
    settings = {
        "policy": {"name": "cxl-ndp", "gpu_experts": 1},
        "quantization.average_bits": 2,
        "quantization.losses": str(tmp_path / "losses.npz"),
    }
    tiny = Tiny(tmp_path)
    tiny.write_model()
    return load_experiment(tiny.write(), settings)


def importance(one: PromptRouting) -> np.ndarray:
    """S of arXiv 2512.04476, step 3, written out."""
    found = np.zeros((LAYERS, EXPERTS))
    for layer in range(LAYERS):
        counts, gates = np.zeros(EXPERTS), np.zeros(EXPERTS)
        for experts, weights in zip(one.experts[:, layer], one.weights[:, layer], strict=True):
            counts[experts] += 1
            gates[experts] += weights
        found[layer] = 0.5 * counts / counts.sum() + 0.5 * gates / gates.sum()
    return found


def test_what_is_decided_is_the_papers_algorithm(experiment: Experiment) -> None:
    decider = Decider(experiment)
    for seed in range(20):
        prompt = routing(seed)
        found, ranks = decider.decide(prompt), importance(prompt)
        assert found.importance == pytest.approx(ranks)
        for layer in range(LAYERS):
            hot = int(np.argmax(ranks[layer]))
            cold = [expert for expert in range(EXPERTS) if expert != hot]
            wanted = allocators.get("prefix", "test")().allocate(ranks[layer, cold], LOSSES[layer, cold], 2)
            assert found.bits[layer, hot] == FULL
            assert found.bits[layer, cold].tolist() == wanted.tolist()


def test_arms_share_the_same_places_and_bits(experiment: Experiment) -> None:
    prompts = [routing(seed) for seed in range(6)]
    made = arms(experiment, prompts, 0)
    assert set(made) == set(ARMS)
    for bits in made.values():
        assert ((bits == FULL).sum(axis=2) == 1).all()
        assert (np.where(bits == FULL, 0, bits).sum(axis=2) == 2 * (EXPERTS - 1)).all()
    assert (made["uniform"][made["uniform"] < FULL] == 2).all()
    for arm in ("dealt", "reversed", "uniform", "greedy"):
        assert ((made[arm] == FULL) == (made["selector"] == FULL)).all()
    assert (made["global"] == made["global"][0]).all()
    least = np.array([importance(prompt).argmin(axis=1) for prompt in prompts])
    assert (np.take_along_axis(made["inverted"], least[..., None], axis=2) == FULL).all()


def test_renamed_experts_are_asked_for_as_often() -> None:
    prompts = [routing(seed) for seed in range(4)]
    for renamed in (renamed_at_random(prompts, 1), inverted(prompts, np.stack([importance(one) for one in prompts]))):
        for old, new in zip(prompts, renamed, strict=True):
            for layer in range(LAYERS):
                before, after = (np.bincount(one.experts[:, layer].ravel(), minlength=EXPERTS) for one in (old, new))
                assert sorted(before) == sorted(after)


def test_widths_are_dealt_among_the_same_experts() -> None:
    bits = np.array([[[16, 4, 2, 1, 1], [3, 16, 3, 1, 1]]])
    ranks = np.array([[[9.0, 8, 7, 6, 5], [8, 9, 7, 6, 5]]])
    for found in (dealt(bits, 3), reversed_widths(bits, ranks), split(bits, ranks, (2, 2, 2, 2))):
        assert ((found == 16) == (bits == 16)).all()
    assert np.sort(dealt(bits, 3)).tolist() == np.sort(bits).tolist()
    assert reversed_widths(bits, ranks).tolist() == [[[16, 1, 1, 2, 4], [1, 16, 1, 3, 3]]]
    assert split(bits, ranks, (4, 2, 1, 1)).tolist() == [[[16, 4, 2, 1, 1], [4, 16, 2, 1, 1]]]


def test_splits_are_all_falling_widths_of_a_budget() -> None:
    assert splits(4, 4) == [(4, 2, 1, 1), (3, 3, 1, 1), (3, 2, 2, 1), (2, 2, 2, 2)]
    for one in splits(5, 7):
        assert (len(one), sum(one), list(one)) == (5, 12, sorted(one, reverse=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"policy": {"name": "monde"}}, "monde, which keeps one precision"),
        ({"quantization.average_bits": None}, "cxl-ndp, which keeps one precision"),
        ({"policy": {"name": "cxl-ndp", "gpu_experts": 4}}, "cxl-ndp, which keeps one precision"),
    ],
)
def test_experiments_that_mix_no_widths_are_refused(
    experiment: Experiment, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Decider(experiment.with_settings(settings)).decide(routing(0))
