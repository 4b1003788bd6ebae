"""Hermes and its baselines on a small model: all neurons that are needed are computed once, and the parts of the policy
do what the paper says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, NeuronPlan
from moe_cosim.workloads.neurons.prepare import PreparedNeurons, prepare_neurons
from moe_cosim.workloads.run_kinds import prepare_run
from moe_cosim.yaml_file import yaml_text
from tests.workloads.neurons.small import like_small

MODEL = like_small(hidden=1024, layers=8, heads=16, kv_heads=4, intermediate=4096)
STEPS = 10
TIGHT = "66 MB"
"""Of the GPU's memory: tables, projections and some neurons."""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.yaml"
    path.write_text(yaml_text(MODEL.model_dump()))
    return str(path)


def _experiment(
    model_file: str, policy: str = "hermes", batch: int = 1, capacity: str = TIGHT, **more: Any
) -> Experiment:
    options = {name: value for name, value in more.items() if name in ("map", "adjust", "remap", "beside")}
    machine = more.get("machine", "rtx4090-ndp-dimm-8")
    return Experiment(
        name="small",
        machine={"use": machine, "set": {"devices.gpu.memories.gddr.capacity": capacity}},
        model=model_file,
        neurons={"source": "generator", "bundle_neurons": 32, "cluster_neurons": 8},
        workload={"batch": batch, "prompt_tokens": 16, "output_tokens": STEPS + 1},
        policy={"name": policy, **options},
        software="ideal",
        engine=more.get("engine", "embedded"),
        assumptions={"hermes-synchronisation": "0 us"},  # as long as all of a layer of this model takes
    )


def _decided(model_file: str, **chosen: Any) -> tuple[PreparedNeurons, NeuronPlan]:
    found = prepare_neurons(_experiment(model_file, **chosen))
    return found, found.policy.plan_steps(1, STEPS + 1)


@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_needed_is_computed_once_on_one_side(model_file: str, batch: int) -> None:
    found, plan = _decided(model_file, batch=batch)
    activity = found.scenario.activity
    for stage, mine in zip((QKV, MLP), activity.clusters.slices, strict=True):
        tokens = activity.tokens[:, :, mine] * activity.clusters.neurons[mine]
        needed = (tokens > 0) * activity.clusters.neurons[mine]
        computed = plan.gpu_neurons[:, :, stage] + plan.near_neurons[:, :, stage].sum(axis=2)
        assert (computed >= needed.sum(axis=2)).all()  # and some that were predicted and are not
        assert computed.sum() < 1.3 * needed.sum()
        assert (plan.near_products[:, :, stage] >= plan.near_neurons[:, :, stage]).all()
    assert (plan.gpu_neurons[:, :, PROJECTION] == MODEL.hidden).all()
    assert not plan.near_neurons[:, :, PROJECTION].any()


def test_the_base_computes_every_neuron_on_one_side(model_file: str) -> None:
    _, plan = _decided(model_file, policy="hermes-base", batch=2)
    widths = np.array([MODEL.hidden, MODEL.hidden, MODEL.intermediate])
    on_gpu = plan.gpu_neurons[0, :, 0] > 0
    assert 0 < on_gpu.sum() < MODEL.layers
    assert (plan.gpu_neurons + plan.near_neurons.sum(axis=3) == widths).all()
    assert not (plan.gpu_neurons * plan.near_neurons.sum(axis=3)).any()


def test_programs_are_sound_and_carry_what_the_plan_says(model_file: str) -> None:
    prepared = prepare_run(_experiment(model_file))
    block = prepared.whole
    block.program.validate()
    _, plan = _decided(model_file)
    program = block.program
    cores = [number for number, (unit, _) in enumerate(program.lanes) if unit.endswith(".core")]
    events = program.events[np.isin(program.events["lane"], cores)]
    weights = program.accesses["what"] == 0
    rows = np.concatenate([np.arange(e["first_access"], e["first_access"] + e["accesses"]) for e in events])
    sizes = np.array([block.bytes_per_neuron for block in MODEL.blocks])
    read = int(program.accesses["bytes"][rows][weights[rows]].sum())
    assert read == int((plan.near_neurons[:, :, [QKV, MLP]].sum(axis=(0, 1, 3)) * sizes).sum())


@pytest.fixture(scope="module")
def results(model_file: str) -> dict[str, Result]:
    asked: dict[str, dict[str, Any]] = {
        "hermes": {},
        "partition": {"adjust": False, "remap": False},
        "random": {"map": "random", "adjust": False, "remap": False},
        "base": {"policy": "hermes-base"},
        "host": {"machine": "rtx4090-i9-13900k", "beside": "host"},
    }
    return {name: run(_experiment(model_file, **chosen), keep=()) for name, chosen in asked.items()}


def test_hermes_is_faster_than_its_baselines_and_its_map_than_a_random_one(results: dict[str, Result]) -> None:
    speed = {name: result.decode_tokens_per_s or 0.0 for name, result in results.items()}
    assert speed["hermes"] > 1.2 * speed["base"]
    assert speed["hermes"] > 1.2 * speed["host"]
    assert speed["partition"] > speed["random"]


def test_the_result_says_what_the_paper_speaks_of(results: dict[str, Result]) -> None:
    found = results["hermes"].policy_report
    assert found["predicted_right"] > 0.93
    assert found["moved_bytes_per_token"] > 0
    assert results["partition"].policy_report["moved_bytes_per_token"] == 0
    assert found["work_on_gpu"] > results["random"].policy_report["work_on_gpu"]
    assert results["hermes"].energy is not None
    assert results["hermes"].routing.startswith("generator")
    assert sum(row.share for row in results["hermes"].critical_path) == pytest.approx(1)


def test_remapping_brings_the_units_closer_together(model_file: str) -> None:
    spread = {}
    for remap in (False, True):
        found, _ = _decided(model_file, remap=remap, adjust=False)
        spread[remap] = found.policy.report()["load_variation_in_window"]
    assert spread[True] < spread[False]


def test_no_result_depends_on_where_a_run_is_cut(model_file: str) -> None:
    whole, _ = _decided(model_file)
    parts = prepare_neurons(_experiment(model_file))
    two = [parts.policy.plan_steps(1, 4), parts.policy.plan_steps(4, STEPS + 1)]
    one = prepare_neurons(_experiment(model_file)).policy.plan_steps(1, STEPS + 1)
    for name in ("gpu_neurons", "near_neurons", "near_products", "swapped_bytes", "moved_bytes"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in two]), getattr(one, name))
    assert whole.policy.report() == parts.policy.report()


def test_the_costs_can_be_added_up_without_a_simulation(model_file: str) -> None:
    found = run(_experiment(model_file, engine="makespan"))
    assert found.decode_s > 0


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"machine": "rtx4090-i9-13900k"}, "NDP"),
        ({"policy": "hermes-base", "machine": "rtx4090-i9-13900k"}, "NDP"),
        ({"policy": "monde"}, "policy.name"),
        ({"capacity": "50 MB"}, "gddr"),
        ({"map": "best"}, "policy.map"),
    ],
)
def test_what_hermes_cannot_run_on_is_refused_in_one_line(model_file: str, chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        prepare_run(_experiment(model_file, **chosen))
    assert "\n" not in str(refused.value)


def test_a_window_forgets_those_before_it(model_file: str) -> None:
    """Neurons are remapped by what the last five tokens needed (IV-D): a window of tokens that need none moves none."""
    found = prepare_neurons(_experiment(model_file, adjust=False))
    activity = found.scenario.activity
    tokens = activity.tokens.copy()
    tokens[5:] = 0
    found.policy.scenario = replace(found.scenario, activity=replace(activity, tokens=tokens))
    moved = found.policy.plan_steps(1, STEPS + 1).moved_bytes.sum(axis=(1, 2, 3))
    assert moved[4] > 0
    assert moved[9] == 0
