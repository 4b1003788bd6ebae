"""What every policy of neurons must do. Its tests subclass `NeuronPolicyContract` and name it:

class TestMine(NeuronPolicyContract):
    policy = "my-policy"
    options = {"share": 0.5}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.experiment import Experiment, MachineChoice, Workload
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.neuron_policy.plan_check import PlanNeeds, check_neuron_plan, check_placement
from moe_cosim.testing.neuron_policy.program_check import ProgramTables
from moe_cosim.testing.other_python import others
from moe_cosim.workloads.neurons.plan import NeuronPlan
from moe_cosim.workloads.neurons.policies.base import neuron_policies
from moe_cosim.workloads.neurons.prepare import PreparedNeurons, prepare_neurons
from moe_cosim.yaml_file import parse_yaml

MODEL: Final = str(Path(__file__).with_name("small.yaml"))
PROMPT_TOKENS: Final = 9
BLOCK_STEPS: Final = (1, 2, 5)
"""Blocks in which a policy must decide as it does all at once."""
GPU_CAPACITY: Final = "devices.gpu.memories.gddr.capacity"
PLAN_TABLES: Final = ("gpu_neurons", "near_neurons", "near_products", "swapped_bytes", "moved_bytes")


@dataclass(frozen=True)
class SmallNeuronRun:
    """A small run on activity from the generator."""

    name: str
    batch: int = 1
    output_tokens: int = 8
    scarce: bool = False
    """The GPU's memory holds little more than tables, projections and two layers."""


CASES: Final = (
    SmallNeuronRun("batch 1"),
    SmallNeuronRun("batch 3", batch=3),
    SmallNeuronRun("prompt only", output_tokens=1),
    SmallNeuronRun("scarce", batch=2, scarce=True),
)


class NeuronPolicyContract:
    """Subclasses set `policy`, a registered name, and where it needs them options and a machine."""

    policy: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    machine: ClassVar[str] = "rtx4090-ndp-dimm-8"
    scarce_capacity: ClassVar[str] = "28 MB"
    """Of the GPU in the scarce case."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each case."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", CASES, ids=[case.name for case in CASES])

    def experiment(self, case: SmallNeuronRun) -> Experiment:
        """The case under this policy."""
        scarce: dict[str, Any] = {GPU_CAPACITY: self.scarce_capacity} if case.scarce else {}
        return Experiment(
            name=f"contract of {self.policy}",
            machine=MachineChoice(use=self.machine, set=scarce),
            model=MODEL,
            neurons={"source": "generator", "bundle_neurons": 32, "cluster_neurons": 8},
            workload=Workload(batch=case.batch, prompt_tokens=PROMPT_TOKENS, output_tokens=case.output_tokens),
            policy={"name": self.policy, **self.options},
            software="ideal",
            assumptions={"hermes-synchronisation": "0 us"},  # of every policy; longer than a layer of this model takes
        )

    def prepared(self, case: SmallNeuronRun) -> PreparedNeurons:
        """Planned and lowered once for all tests of the case."""
        return prepared(self.experiment(case).to_yaml())

    # -- the contract -----------------------------------------------------------------------

    def test_the_plan_can_be_carried_out(self, case: SmallNeuronRun) -> None:
        found, plan = planned(self.experiment(case))
        check_neuron_plan(plan, asked(found))

    def test_what_is_not_streamed_has_room(self, case: SmallNeuronRun) -> None:
        found, _ = planned(self.experiment(case))
        check_placement(found.policy.placement(), asked(found))

    def test_the_program_is_valid(self, case: SmallNeuronRun) -> None:
        self.prepared(case).whole.program.validate()

    def test_weights_are_read_once_where_they_are_computed_with(self, case: SmallNeuronRun) -> None:
        tables, (_, plan) = ProgramTables(self.prepared(case)), planned(self.experiment(case))
        tables.check_weights(plan)
        tables.check_places()

    def test_keys_and_values_are_read_once(self, case: SmallNeuronRun) -> None:
        ProgramTables(self.prepared(case)).check_keys_and_values()

    def test_nothing_begins_before_what_it_needs(self, case: SmallNeuronRun) -> None:
        ProgramTables(self.prepared(case)).check_order(timeline(self.experiment(case).to_yaml()))

    def test_equal_input_gives_equal_decisions(self, case: SmallNeuronRun) -> None:
        assert digest(prepare_neurons(self.experiment(case))) == digest(self.prepared(case))

    def test_blocks_of_any_length_decide_the_same(self, case: SmallNeuronRun) -> None:
        _, whole = planned(self.experiment(case))
        for steps in BLOCK_STEPS:
            blocks = planned_in_blocks(self.experiment(case), steps)
            assert plan_bytes(*blocks) == plan_bytes(whole), f"blocks of {steps} steps"

    def test_other_processes_decide_the_same(self, case: SmallNeuronRun) -> None:
        """With other seeds of Python's hashes, on which the order of sets hangs."""
        module = neuron_policies.get(self.policy).__module__
        asked_for = self.experiment(case).model_dump_json()
        own = digest(self.prepared(case))
        assert others(f"{__name__}:digest_of_experiment", asked_for, module) == [own, own]

    def test_the_activity_is_left_as_it_is(self, case: SmallNeuronRun) -> None:
        """Runs that follow in the process are given the same arrays."""
        found = prepare_neurons(self.experiment(case))
        activity = found.scenario.activity
        profile = activity.profile
        tables: list[NDArray[Any]] = [activity.tokens, activity.prompt_frequency, profile.frequency, profile.correlated]
        before = [table.copy() for table in tables]
        assert found.whole.program.events.size
        assert all(np.array_equal(table, kept) for table, kept in zip(tables, before, strict=True))

    def test_it_says_numbers_of_itself(self, case: SmallNeuronRun) -> None:
        found, _ = planned(self.experiment(case))
        assert all(np.isfinite(value) for value in found.policy.report().values())

    def test_it_is_described(self) -> None:
        summary = neuron_policies.get(self.policy).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary


def asked(found: PreparedNeurons) -> PlanNeeds:
    """What its plans have to serve."""
    scenario = found.scenario
    return PlanNeeds(scenario.neurons, scenario.activity, found.policy.layout, scenario.workload.batch)


def planned(experiment: Experiment) -> tuple[PreparedNeurons, NeuronPlan]:
    """All decode steps at once."""
    found = prepare_neurons(experiment)
    return found, found.policy.plan_steps(1, 1 + found.scenario.decode.count)


def planned_in_blocks(experiment: Experiment, steps: int) -> list[NeuronPlan]:
    """So many steps at a time."""
    found = prepare_neurons(experiment)
    last = 1 + found.scenario.decode.count
    return [found.policy.plan_steps(first, min(first + steps, last)) for first in range(1, last, steps)]


def plan_bytes(*plans: NeuronPlan) -> bytes:
    """Every decision, for comparing plans."""
    return b"".join(getattr(plan, name).tobytes() for name in PLAN_TABLES for plan in plans)


@cache
def prepared(experiment_yaml: str) -> PreparedNeurons:
    """One preparation per experiment, for all tests that only look at it."""
    return prepare_neurons(Experiment(**parse_yaml(experiment_yaml, "an experiment")))


@cache
def timeline(experiment_yaml: str) -> Timeline:
    """Of an experiment, run once in a process on the embedded engine."""
    found = prepared(experiment_yaml)
    return engines.get("embedded")().run(found.machine, found.whole.program)


def digest(found: PreparedNeurons) -> str:
    """Of every event."""
    program = found.whole.program
    return hashlib.sha256(b"".join(t.tobytes() for t in (program.events, program.accesses, program.tags))).hexdigest()


def digest_of_experiment(experiment_json: str) -> str:
    """As `digest`, in another process."""
    return digest(prepare_neurons(Experiment.model_validate_json(experiment_json)))
