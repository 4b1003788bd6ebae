"""Every experiment that ships runs, and the ones that belong together come out in the order they must."""

from __future__ import annotations

from functools import cache

import pytest

from moe_cosim.experiment import experiment_names, load_experiment
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.neurons.model import find_neuron_model

BATCH, PROMPT, OUTPUT = 2, 16, 6
"""Cut down to these, so that all of them take seconds."""


@cache
def _run(name: str, prompt_tokens: int = PROMPT, output_tokens: int = OUTPUT) -> Result:
    work = load_experiment(name).workload
    return run(
        name,
        {
            "workload.batch": min(work.batch, BATCH),
            "workload.prompt_tokens": min(work.prompt_tokens, prompt_tokens),
            "workload.output_tokens": min(work.output_tokens, output_tokens),
        },
    )


@pytest.mark.parametrize("name", experiment_names())
def test_it_runs(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.description
    assert experiment.engine_name == "embedded"
    result = _run(name)
    assert result.status == "finished"
    assert result.end_to_end_s >= result.time_to_first_token_s > 0
    assert all(0 <= row.utilization <= 1 for row in (*result.units, *result.memories, *result.links))
    assert sum(row.share for row in result.critical_path) == pytest.approx(1)


@pytest.mark.parametrize("name", experiment_names())
def test_its_full_length_is_within_the_limits_of_size(name: str) -> None:
    experiment = load_experiment(name)
    dense = experiment.neurons is not None
    model = find_neuron_model(experiment.model, name).plain if dense else find_model(experiment.model)
    check_size(model, experiment.workload, name)


def test_nothing_beats_all_experts_on_the_gpu_and_nothing_is_slower_than_on_demand() -> None:
    """Of the systems on an H100."""
    names = ["all-on-gpu-mixtral-8x7b-int4", "on-demand-mixtral-8x7b", "monde-mixtral-8x7b", "hobbit-mixtral-8x7b"]
    names += ["cxl-ndp-mixtral-8x7b-2bit", "cxl-ndp-mixtral-8x7b-3bit"]
    rates = {name: _run(name).decode_tokens_per_s or 0.0 for name in names}
    assert max(rates, key=lambda name: rates[name]) == "all-on-gpu-mixtral-8x7b-int4"
    assert min(rates, key=lambda name: rates[name]) == "on-demand-mixtral-8x7b"


def test_belady_hits_more_often_than_lru() -> None:
    lru, belady = (_run(f"{name}-mixtral-8x7b-rtx4090", 64, 64) for name in ("lru", "belady"))
    assert belady.experts.hit_rate > lru.experts.hit_rate > 0
    assert (belady.decode_tokens_per_s or 0) > (lru.decode_tokens_per_s or 0)


def test_speculation_turns_misses_into_hits() -> None:
    lru, ahead = (_run(f"{name}-mixtral-8x7b-rtx4090", 64, 64) for name in ("lru", "lru-speculative"))
    assert ahead.experts.gpu_misses < lru.experts.gpu_misses
    assert ahead.experts.gpu_hits_by_prefetch > 0


def test_four_devices_compute_side_by_side() -> None:
    result = _run("cxl-ndp-mixtral-8x22b-3bit-4-devices")
    cores = [row for row in result.units if row.kind == "ndp"]
    assert len(cores) == 4
    assert all(row.events > 0 for row in cores)
