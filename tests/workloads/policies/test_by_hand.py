"""Single decisions worked by hand from the papers' rules: a rule turned round, or off by one, is seen here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from moe_cosim.hw_models.formats import FP16
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.workloads.plan import Plan
from tests.workloads.hand_made import Chosen, decided, one_layer, routing

HYBRID = "rtx4090-xeon-6454s"


def tokens_of(*counts: int) -> list[Chosen]:
    """A prompt that gives each expert so many tokens, one expert a token."""
    return [(expert,) for expert, count in enumerate(counts) for _ in range(count)]


def runs_of(plan: Plan, step: int, layer: int = 0) -> list[tuple[int, str]]:
    """(expert, unit) in the order of the plan."""
    chosen = plan.runs[(plan.runs["step"] == step) & (plan.runs["layer"] == layer)]
    return [(int(row["expert"]), plan.units[row["unit"]]) for row in chosen]


def moved(plan: Plan) -> list[tuple[int, int]]:
    """(step, expert) of every move, on either lane of the DMA engine, in order."""
    return [(int(row["step"]), int(row["expert"])) for row in plan.moves]


def late(plan: Plan, step: int, layer: int) -> set[int]:
    runs = plan.runs[(plan.runs["step"] == step) & (plan.runs["layer"] == layer)]
    return set(runs["expert"][runs["deferred"]].tolist())


def test_fiddler_fetches_from_the_tenth_token_on() -> None:
    """7 ms a token on the CPU against 70 ms (arXiv 2402.07033, code): 9 tokens are cheaper there, 10 are not. An expert
    that the GPU holds is neither, whatever its tokens."""
    prompt = tokens_of(1, 9, 10, 30)
    plan = decided(
        one_layer(prompt, [(2,)], 4), "fiddler", {"gpu_experts": 1, "placement": "uniform"}, machine=HYBRID
    ).plan
    assert dict(runs_of(plan, 0)) == {0: "gpu.sm", 1: "host.cpu", 2: "gpu.sm", 3: "gpu.sm"}
    assert sorted(moved(plan)) == [(0, 2), (0, 3)]
    assert runs_of(plan, 1) == [(2, "host.cpu")]  # one token: the same expert goes back


@pytest.mark.parametrize(("deferred", "expected"), [(0, set()), (1, {2}), (2, {2, 3}), (3, {2, 3, 1})])
def test_ktransformers_defers_the_least_experts_of_the_cpu(deferred: int, expected: set[int]) -> None:
    """Of four experts a token with gate weights 1, 4, 2, 3 the GPU holds the least one, which is not deferred; nor is
    anything of the prefill, nor of the last layer, behind which nothing could be merged."""
    chosen = (1, 3, 2, 0)
    routed = routing([[chosen, chosen]], [[chosen, chosen]], 4, weights={0: 1, 1: 4, 2: 2, 3: 3})
    options = {"gpu_experts": 1, "placement": "uniform", "deferred_experts": deferred}
    plan = decided(routed, "ktransformers", options, machine=HYBRID).plan
    assert late(plan, 1, 0) == expected
    assert late(plan, 1, 1) == late(plan, 0, 0) == set()


def test_klotski_runs_what_is_there_and_then_what_has_most_tokens() -> None:
    """Experts at hand first, the others hot first, each on the GPU (ASPLOS 2025); they come over the link in the
    order in which they run."""
    options = {"gpu_experts": 1, "placement": "uniform"}
    plan = decided(one_layer(tokens_of(1, 3, 2, 5), [(1,)], 4), "klotski", options, machine=HYBRID).plan
    assert runs_of(plan, 0) == [(0, "gpu.sm"), (3, "gpu.sm"), (1, "gpu.sm"), (2, "gpu.sm")]
    assert moved(plan) == [(0, 3), (0, 1), (0, 2), (1, 1)]


@pytest.mark.parametrize(("activated", "count"), [(26, 1), (27, 2), (53, 2), (54, 3)])
def test_monde_dimm_weighs_the_link_against_all_modules(activated: int, count: int) -> None:
    """PCIe at 64 GB/s against 16 modules of 102.4 GB/s: H = ceil(64 / (64 + 1638.4) n), so 2 from 26.6 on."""
    assert math.ceil(64 / (64 + 16 * 102.4) * activated) == count
    chosen = tuple(range(activated))
    plan = decided(one_layer([chosen], [chosen], 60), "monde-dimm", machine="h100-amx-dimm-ndp").plan
    assert [expert for expert, unit in runs_of(plan, 1) if unit == "gpu.sm"] == list(range(count))


def test_edge_ndp_gives_the_gpu_what_makes_both_sides_end_together() -> None:
    """n experts on the GPU take n (transfer + computation), the others their slices in all modules one after the
    other, which read them for longer than they compute: the least of the longer side. The slices come over four
    channels of 25.6 GB/s, so PCIe at 64 GB/s bounds the transfer."""
    chosen = tuple(range(40))
    found = decided(one_layer([chosen], [chosen], 40), "edge-ndp", {"prefetch": False}, machine="rtx5080-dimm-ndp-4")
    machine, model = found.scenario.machine, found.scenario.machine.main_unit.model
    assert model is not None
    size = 3 * 1024 * 1024 * 2
    array = machine.memories["dimm0.dram"]
    near_s = size / 4 / (array.array_bytes_per_s * float(array.efficiency.share(0, False)))
    far_s = size / 64e9 + float(model.expert_ps(np.array([1]), ExpertShape(1024, 1024), FP16)[0]) / 1e12
    longer = [max((40 - n) * near_s, n * far_s) for n in range(41)]
    best = min(range(41), key=longer.__getitem__)
    assert 1 < best < 39
    assert sum(step == 1 for step, _ in moved(found.plan)) == best
