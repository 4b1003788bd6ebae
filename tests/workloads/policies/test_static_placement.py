"""Static placements against slow plain ones, and what they mean for where experts run and what is copied."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.policies.parts.static_placement import Strategy, placed, without_first_layers
from tests.workloads.hand_made import Decided, decided, lower_plan, routing

MACHINE = "rtx4090-xeon-6454s"
LAYERS, EXPERTS = 4, 6
ROUTED = routing(
    [
        [(token % 6, (token * 5 + 1) % 6 if token % 6 != (token * 5 + 1) % 6 else (token + 1) % 6)] * LAYERS
        for token in range(9)
    ],
    [[(step % 6, (step + 3) % 6)] * LAYERS for step in range(5)],
    EXPERTS,
)


def plain(strategy: str, count: int, tokens: list[list[int]]) -> set[tuple[int, int]]:
    """One expert at a time."""
    layers, experts = len(tokens), len(tokens[0])
    every = [(layer, expert) for layer in range(layers) for expert in range(experts)]
    if strategy == "front-loading":
        return set(every[:count])
    if strategy == "frequency":
        return set(sorted(every, key=lambda key: -tokens[key[0]][key[1]])[:count])
    dealt = sorted(every, key=lambda key: (key[1], key[0]))  # the first of all layers, then the second
    return set(dealt[:count])


@given(
    st.sampled_from(["uniform", "frequency", "front-loading"]),
    st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(0, 20),
)
def test_placements_are_those_of_a_plain_one(strategy: Strategy, tokens: list[list[int]], count: int) -> None:
    count = min(count, 4 * len(tokens))
    held = placed(strategy, count, np.array(tokens), 0)
    assert {(int(layer), int(expert)) for layer, expert in np.argwhere(held)} == plain(strategy, count, tokens)


@given(st.integers(0, 24), st.integers(0, 1000))
def test_random_placements_hang_on_the_seed_alone_and_grow(count: int, seed: int) -> None:
    tokens = np.zeros((4, 6), dtype=np.int64)
    held = placed("random", count, tokens, seed)
    assert held.sum() == count
    assert (held == placed("random", count, tokens + 1, seed)).all()
    assert (held <= placed("random", min(count + 1, 24), tokens, seed)).all()


def test_seeds_place_differently() -> None:
    tokens = np.zeros((8, 64), dtype=np.int64)
    assert (placed("random", 100, tokens, 0) != placed("random", 100, tokens, 1)).any()


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_all_or_none_is_the_same_for_every_strategy(strategy: Strategy) -> None:
    tokens = np.arange(12).reshape(3, 4)
    assert not placed(strategy, 0, tokens, 0).any()
    assert placed(strategy, 12, tokens, 0).all()


def test_whole_layers_on_the_cpu_are_the_first() -> None:
    assert without_first_layers(3, 2, 1).tolist() == [[False, False], [True, True], [True, True]]
    assert not without_first_layers(3, 2, 5).any()


# -- in a run ---------------------------------------------------------------------------------


def run(policy: str = "static-hybrid", machine: str = MACHINE, **options: Any) -> Decided:
    return decided(ROUTED, policy, options, machine=machine)


def on_gpu(found: Decided) -> set[tuple[int, int]]:
    """(layer, expert) of the copies in the GPU's memory before the run."""
    residents, machine = found.plan.residents, found.scenario.machine
    where = machine.memory_index(residents["address"]) == list(machine.memories).index(machine.main_unit.local_memory)
    return {(int(row["layer"]), int(row["expert"])) for row in residents[where]}


def test_every_expert_has_one_copy_and_runs_where_it_lies() -> None:
    found = run(gpu_share=0.25, placement="random")
    held = on_gpu(found)
    assert len(held) == 6
    assert len(found.plan.residents) == LAYERS * EXPERTS
    for row in found.plan.runs:
        unit = found.plan.units[row["unit"]]
        assert unit == ("gpu.sm" if (int(row["layer"]), int(row["expert"])) in held else "host.cpu")
    assert len(found.plan.moves) == 0


def test_the_first_layers_are_the_cpus() -> None:
    assert on_gpu(run(cpu_layers=3)) == {(3, expert) for expert in range(EXPERTS)}


def test_experts_per_layer_and_a_share_are_two_words_for_one_placement() -> None:
    by_number, by_share = run(gpu_experts=3), run(gpu_share=0.5)
    assert (by_number.plan.residents == by_share.plan.residents).all()
    assert on_gpu(by_number) == {(layer, expert) for layer in range(LAYERS) for expert in range(3)}


def test_the_prompt_s_most_used_experts_are_the_frequent_ones() -> None:
    found = run(gpu_experts=2, placement="frequency")
    prompt = ROUTED.prefill_experts[0]
    tokens = [[int((prompt[:, layer] == expert).sum()) for expert in range(EXPERTS)] for layer in range(LAYERS)]
    assert on_gpu(found) == plain("frequency", 2 * LAYERS, tokens)


@pytest.mark.parametrize(("threshold", "streams"), [(9, True), (10, False)])
def test_a_step_of_so_many_tokens_streams_what_the_gpu_does_not_hold(threshold: int, streams: bool) -> None:
    found = run(gpu_experts=2, prefill_gpu_threshold=threshold)
    held, moves = on_gpu(found), found.plan.moves
    prompt = {(int(row["layer"]), int(row["expert"])) for row in found.plan.runs if row["step"] == 0}
    assert {(int(row["of_layer"]), int(row["expert"])) for row in moves} == (prompt - held if streams else set())
    assert (moves["step"] == 0).all()
    units = {found.plan.units[row["unit"]] for row in found.plan.runs if row["step"] == 0}
    assert units == ({"gpu.sm"} if streams else {"gpu.sm", "host.cpu"})


@pytest.mark.parametrize(
    ("policy", "machine", "options"),
    [
        ("static-hybrid", MACHINE, {"prefill_gpu_threshold": 1}),
        ("ktransformers", MACHINE, {"prefill_gpu_threshold": 1}),
        ("fiddler", MACHINE, {"crossover_tokens": 0}),
        ("klotski", MACHINE, {}),
    ],
)
def test_the_prefill_does_not_load_what_the_gpu_holds(policy: str, machine: str, options: dict[str, Any]) -> None:
    """TTFT falls with the GPU's share of the experts, down to that of all experts on the GPU."""
    end: list[int] = []
    for count in range(EXPERTS + 1):
        found = run(policy, machine, gpu_experts=count, **options)
        held = on_gpu(found)
        assert not {(int(row["of_layer"]), int(row["expert"])) for row in found.plan.moves} & held
        end.append(_first_token_ps(found))
    assert end == sorted(end, reverse=True)
    assert end[-1] == _first_token_ps(run("all-on-gpu")) < end[0]


def _first_token_ps(found: Decided) -> int:
    program = lower_plan(found.scenario, found.plan)
    timeline = engines.get("embedded")().run(found.scenario.machine, program)
    return int(timeline.end_ps[program.tags["step"][program.events["tag"]] == 0].max())


def test_two_ways_to_say_how_many_are_refused() -> None:
    with pytest.raises(InputError, match="policy: found gpu_share and cpu_layers; allowed: one of them"):
        run(gpu_share=0.5, cpu_layers=3)


def test_what_was_asked_for_and_does_not_fit_is_refused() -> None:
    capacity = {"devices.gpu.memories.gddr.capacity": "60 MB"}
    with pytest.raises(InputError, match=r"experts on the GPU in gpu.gddr: found .* needed"):
        decided(ROUTED, "static-hybrid", {"gpu_experts": 6}, machine=MACHINE, machine_set=capacity)
