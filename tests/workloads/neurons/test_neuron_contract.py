"""Every policy of neurons of the project meets the contract, and the contract notices what breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from moe_cosim.testing.neuron_policy.contract import CASES, NeuronPolicyContract, asked, planned, prepared, timeline
from moe_cosim.testing.neuron_policy.plan_check import NeuronPlanError, check_neuron_plan, check_placement
from moe_cosim.testing.neuron_policy.program_check import ProgramTables
from moe_cosim.workloads.neurons.lowering import NeuronLowering
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, NeuronPlan, Placement
from moe_cosim.workloads.neurons.policies.base import neuron_policies
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, STREAM


class TestHermes(NeuronPolicyContract):
    policy = "hermes"


class TestHermesWithAnyMap(NeuronPolicyContract):
    policy = "hermes"
    options = {"map": "random", "adjust": False, "remap": False}  # noqa: RUF012


class TestHermesThatExchangesOnly(NeuronPolicyContract):
    policy = "hermes"
    options = {"remap": False}  # noqa: RUF012


class TestHermesHost(NeuronPolicyContract):
    policy = "hermes"
    options = {"beside": "host"}  # noqa: RUF012
    machine = "rtx4090-i9-13900k"


class TestHermesBase(NeuronPolicyContract):
    policy = "hermes-base"


def test_every_policy_of_neurons_is_held_to_it() -> None:
    held = {each.policy for each in NeuronPolicyContract.__subclasses__()}
    assert held >= set(neuron_policies.names())


_BATCH = CASES[1]
_HELD = TestHermes()


def _changed(plan: NeuronPlan, table: str, stage: int | None, add: Any, at: int = 0) -> NeuronPlan:
    values = getattr(plan, table).copy()
    values[(0, 0) if stage is None else (0, 0, stage)] += add
    return replace(plan, **{table: values})


@pytest.mark.parametrize(
    ("table", "stage", "add", "said"),
    [
        ("gpu_neurons", QKV, -10_000, "below 0"),
        ("gpu_neurons", MLP, 100_000, "more neurons are read than there are"),
        ("gpu_neurons", PROJECTION, -1, "needs is computed nowhere"),
        ("near_products", MLP, 100_000, "more tokens than the batch"),
        ("moved_bytes", None, np.eye(8, dtype=np.int64), "to itself"),
        ("swapped_bytes", None, 1 << 40, "leave a unit"),
    ],
)
def test_a_broken_plan_is_noticed(table: str, stage: int | None, add: Any, said: str) -> None:
    found, plan = planned(_HELD.experiment(_BATCH))
    with pytest.raises(NeuronPlanError, match=said):
        check_neuron_plan(_changed(plan, table, stage, add), asked(found))


def test_a_neuron_left_out_is_noticed() -> None:
    found, plan = planned(_HELD.experiment(_BATCH))
    empty = replace(plan, near_neurons=plan.near_neurons * 0, near_products=plan.near_products * 0)
    with pytest.raises(NeuronPlanError, match="computed nowhere"):
        check_neuron_plan(empty, asked(found))
    lonely = replace(plan, near_products=plan.near_neurons)
    with pytest.raises(NeuronPlanError, match="left out"):
        check_neuron_plan(lonely, asked(found))


def test_a_gpu_that_computes_with_more_than_it_holds_is_noticed() -> None:
    found, plan = planned(_HELD.experiment(_BATCH))
    little = asked(found)
    little = little._replace(layout=replace(little.layout, hot_bytes=4096))
    with pytest.raises(NeuronPlanError, match="the GPU computes with"):
        check_neuron_plan(plan, little)
    kept = Placement(np.zeros(4, np.int64), np.zeros(4, np.int64))
    with pytest.raises(NeuronPlanError, match="are not streamed"):
        check_placement(kept, little)


def test_weights_that_are_read_twice_are_noticed() -> None:
    found, plan = planned(_HELD.experiment(_BATCH))
    with pytest.raises(AssertionError, match="GPU"):
        ProgramTables(found).check_weights(_changed(plan, "gpu_neurons", QKV, 1))


def test_a_layer_that_begins_too_early_is_noticed() -> None:
    experiment = _HELD.experiment(_BATCH).to_yaml()
    tables, run = ProgramTables(prepared(experiment)), timeline(experiment)
    early = run.start_ps.copy()
    rows = tables.kernels & (tables.tags["step"] == 2) & (tables.tags["layer"] == 1)
    early[np.flatnonzero(rows)[0]] = 0
    with pytest.raises(AssertionError, match="step 2, layer 1 begins too early"):
        tables.check_order(replace(run, start_ps=early))


def test_a_single_neuron_on_the_gpu_is_computed_there() -> None:
    found, plan = planned(_HELD.experiment(_BATCH))
    one = replace(plan, gpu_neurons=np.ones_like(plan.gpu_neurons))
    program, model = NeuronLowering(found.scenario, found.policy).decode(one), found.scenario.neurons
    gpu = [lane for lane, (unit, _) in enumerate(program.lanes) if unit == found.machine.main_unit.name]
    layers = [PURPOSES.index(name) for name in ("attention", "dense ffn")]
    events = program.events[np.isin(program.events["lane"], gpu) & (program.events["kind"] == STREAM)]
    events = events[np.isin(program.tags["purpose"][events["tag"]], layers)]
    rows = np.concatenate([each["first_access"] + np.arange(each["accesses"]) for each in events])
    read = program.accesses[rows][program.accesses["what"][rows] == CONTENTS.index("weights")]
    one_each = model.blocks[0].bytes_per_neuron + 2 * model.hidden + model.blocks[1].bytes_per_neuron
    assert int(read["bytes"].sum()) == len(plan.steps) * model.layers * one_each
