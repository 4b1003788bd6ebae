"""Systems of 2026: their runs are described, published parts have their sign and order."""

from __future__ import annotations

from typing import Any

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.reproduce.papers import dymoe, sieve
from moe_cosim.sim.reproduce.runs import RunKey
from moe_cosim.sim.run import run

SHORT = {"workload.batch": 4, "workload.prompt_tokens": 16, "workload.output_tokens": 25, "policy.update_steps": 2}
SCHEDULES: tuple[dict[str, Any], ...] = ({}, sieve.NO_EXPERTS, sieve.ALL_EXPERTS)


@pytest.mark.parametrize("name", ["dynaexq", "dymoe", "specmoe", "sieve"])
def test_every_run_of_2026_is_an_experiment(name: str) -> None:
    for quick in (False, True):
        chosen = registry.get(name)(quick)
        wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
        for experiment, settings in dict.fromkeys(wanted):
            load_experiment(experiment, dict(settings))


def test_dymoe_gains_with_every_part() -> None:
    """On demand, cache, 4/2 beside it, prefetch with it, 4/0: as its table has them."""
    chosen = dymoe.DyMoeReproduction(quick=True)
    runs = [chosen._run(dymoe.ON_DEMAND), *(chosen._part(name) for name in dymoe._PARTS)]
    on_demand, cache, ahead, mixed, whole, left_out = (_step_s(name, dict(settings)) for name, settings in runs)
    assert on_demand > cache > mixed > whole > left_out
    assert cache > ahead > whole


def test_dynaexq_pays_for_what_it_moves() -> None:
    """Nothing moved is fastest; moving without a margin, or waiting for it, costs more."""
    changed: list[dict[str, Any]] = [{"policy.adaptive": False}, {}, {"policy.margin": 0.0}, {"policy.blocking": True}]
    still, whole, restless, waiting = (_step_s("dynaexq-qwen3-30b-a3b", SHORT | each) for each in changed)
    assert still < whole < restless
    assert whole < waiting


def test_sieve_takes_the_better_of_both_sides() -> None:
    """Section 7.2: all experts on the GPU is slow with few sequences, all in the memory with many."""
    few, many = ([_step_s(*_of(sieve.SieveReproduction(True)._run(b, **how))) for how in SCHEDULES] for b in (8, 128))
    assert few[0] < few[1]
    assert many[0] < min(many[1:])
    assert few[2] < few[1]
    assert many[2] > many[1]


def _of(key: RunKey) -> tuple[str, dict[str, Any]]:
    return key[0], dict(key[1])


def _step_s(name: str, settings: dict[str, Any]) -> float:
    result = run(name, settings)
    return result.decode_s / result.decode_steps
