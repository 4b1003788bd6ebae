"""FlashMoE on recorded texts: what its network learned of some holds in others (skipped where no recording is)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.policies.offloading.flash_moe import FlashMoe
from moe_cosim.workloads.routing.routing import Routing
from tests.workloads.hand_made import decide, hits, one_layer, scenario

DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "routing"
SLOTS, LAYER = 32, 9
"""Of DeepSeek-V2-Lite, which has 64 experts; OLMoE, the paper's smaller model, has as many."""


def texts() -> list[NDArray[np.integer]]:
    """[tokens, k] of one layer, of each text of 64 tokens and more, in any order."""
    file = DATA / "deepseek_v2_lite_top6.npz"
    if not file.exists():
        pytest.skip(f"{file.name} is not there")
    recorded = np.load(file)
    bounds = recorded["offsets"]
    found = [recorded["experts"][a:b, LAYER] for a, b in pairwise(bounds.tolist()) if b - a >= 64]
    return [found[at] for at in np.random.default_rng(1).permutation(len(found))]


def routed(text: NDArray[np.integer]) -> Routing:
    """The first token as the prompt."""
    tokens = text.astype(int).tolist()
    return one_layer(tokens[:1], tokens[1:], 64)


def test_the_learned_rule_is_above_its_rivals_on_texts_it_did_not_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    known = texts()
    past, others = [Demand(routed(text)) for text in known[:80]], known[80:92]
    learn, nets = FlashMoe._learn, []

    def learned_once(self: FlashMoe) -> Any:
        if not nets:
            nets.append(learn(self))
        return nets[0]

    monkeypatch.setattr(FlashMoe, "_learn", learned_once)
    found = dict.fromkeys(("lfu", "lru", "lfu-history", "learned", "belady"), 0)
    for text in others:
        for rule in found:
            name, options = ("belady", {}) if rule == "belady" else ("flash-moe", {"evict": rule})
            experiment, confronted = scenario(routed(text), name, {"cache_experts": SLOTS, **options})
            _, plan = decide(experiment, replace(confronted, past_runs=lambda count: past))
            found[rule] += hits(plan)
    assert sorted(found, key=found.__getitem__) == list(found)
    assert found["learned"] > 1.03 * found["lru"]
