"""What every policy must do. Its tests subclass `PolicyContract` and name it:

class TestMine(PolicyContract):
    policy = "my-policy"
    options = {"threshold": 3}
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import Experiment, MachineChoice, Workload
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import FP16
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.other_python import others
from moe_cosim.testing.policy.plan_check import check_plan
from moe_cosim.testing.policy.timeline_check import check_causality, check_dispatch, check_slots
from moe_cosim.workloads.address_map import AddressMap, aligned
from moe_cosim.workloads.layout import place_model
from moe_cosim.workloads.lowering.shares import shares_of
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.plan import Plan, join_plans
from moe_cosim.workloads.policies.base import Policy, policies, policy_class
from moe_cosim.workloads.prepare import Prepared, policy_of, prepare
from moe_cosim.workloads.quantization.precisions import PartFormats
from moe_cosim.workloads.reuse import REUSE
from moe_cosim.workloads.scenario import draw
from moe_cosim.yaml_file import parse_yaml

PROMPT_TOKENS = 7
BLOCK_STEPS = (0, 1, 2, 3)
"""Blocks in which a policy must decide as it does all at once; 0: layer by layer."""
GPU_CAPACITY = "devices.gpu.memories.hbm.capacity"


@dataclass(frozen=True)
class SmallRun:
    """A small run. Routing comes from the generator's preset of the model."""

    name: str
    model: str = "mixtral-8x7b"
    batch: int = 1
    output_tokens: int = 5
    devices: int = 1
    """Which of `PolicyContract.machines`."""
    scarce: bool = False
    """The GPU's memory holds `PolicyContract.scarce_experts` beside the dense part."""


CASES = (
    SmallRun("batch 1"),
    SmallRun("batch 4", batch=4),
    SmallRun("prompt only", batch=2, output_tokens=1),
    SmallRun("several devices", batch=2, devices=4),
    SmallRun("many experts", model="deepseek-v2-lite", batch=4),
    SmallRun("scarce", batch=4, scarce=True),
    SmallRun("many experts, scarce", model="deepseek-v2-lite", batch=3, scarce=True),
)


class PolicyContract:
    """Subclasses set `policy`, a registered name, and where it needs them options, settings and machines."""

    policy: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    settings: ClassVar[Mapping[str, Any]] = {}
    """Of the experiment, by dotted path."""
    machines: ClassVar[Mapping[int, str]] = {1: "h100-cxl-ndp", 4: "h100-cxl-ndp-4"}
    """By number of near-data devices."""
    machine_settings: ClassVar[Mapping[str, Any]] = {}
    scarce_experts: ClassVar[int | str | None] = 3
    """How many full-precision experts fit the GPU in the scarce cases, less than a layer wants;
    ``one per layer``; None: the policy takes all or nothing, so there are no such cases."""

    slow_cases: ClassVar[Collection[str]] = ()
    """Names of cases whose tests are marked ``slow``, for whoever leaves such tests out at times."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each case that the policy's machines have; scarce ones unless `scarce_experts` is None."""
        if "case" in metafunc.fixturenames:
            cases = [case for case in CASES if case.devices in self.machines]
            cases = [case for case in cases if self.scarce_experts is not None or not case.scarce]
            if metafunc.function.__name__ == "test_other_processes_decide_the_same":
                cases = [case for case in cases if case.name in ("batch 4", "many experts")]
            marks = [[pytest.mark.slow] if case.name in self.slow_cases else [] for case in cases]
            found = [pytest.param(case, id=case.name, marks=each) for case, each in zip(cases, marks, strict=True)]
            metafunc.parametrize("case", found)

    def experiment(self, case: SmallRun) -> Experiment:
        """The case under this policy, with so little memory as the case says."""
        machine_set = dict(self.machine_settings)
        if case.scarce:
            machine_set[GPU_CAPACITY] = f"{self._scarce_bytes(case)} B"
        experiment = Experiment(
            name=f"contract of {self.policy}",
            machine=MachineChoice(use=self.machines[case.devices], set=machine_set),
            model=case.model,
            routing={"source": "generator", "preset": case.model},
            workload=self._workload(case),
            policy={"name": self.policy, **self.options},
        )
        return experiment.with_settings(self.settings) if self.settings else experiment

    def _workload(self, case: SmallRun) -> Workload:
        return Workload(batch=case.batch, prompt_tokens=PROMPT_TOKENS, output_tokens=case.output_tokens)

    def _scarce_bytes(self, case: SmallRun) -> int:
        model = find_model(case.model)
        machine = build_machine(self.machines[case.devices], Assumptions())
        gpu_memory = machine.main_unit.local_memory
        addresses = AddressMap(machine.memories, "scarce")
        place_model(model, self._workload(case), PartFormats(*[FP16] * 5), addresses, gpu_memory, [])
        experts = len(model.moe_layers) if self.scarce_experts == "one per layer" else self.scarce_experts
        assert isinstance(experts, int)
        return addresses.used_bytes(gpu_memory) + experts * aligned(FP16.expert_bytes(model.expert))

    def prepared(self, case: SmallRun) -> Prepared:
        """Planned and lowered once for all tests of the case."""
        return prepared(self.experiment(case).to_yaml())

    def timeline(self, case: SmallRun) -> Timeline:
        """Run once for all tests of the case, on the embedded engine."""
        return timeline(self.experiment(case).to_yaml())

    # -- the contract -----------------------------------------------------------------------

    def test_the_plan_can_be_carried_out(self, case: SmallRun) -> None:
        check(self.prepared(case))

    def test_the_program_is_valid(self, case: SmallRun) -> None:
        self.prepared(case).program.validate()

    def test_equal_input_gives_equal_decisions(self, case: SmallRun) -> None:
        experiment = self.experiment(case)
        assert digest(prepare(experiment)) == digest(self.prepared(case))

    def test_blocks_of_any_length_decide_the_same(self, case: SmallRun) -> None:
        """Also layer by layer, as a policy of another package may ask ours to."""
        experiment, whole = self.experiment(case), self.prepared(case).plan
        for steps in BLOCK_STEPS:
            assert plan_bytes(plan_in_blocks(experiment, steps)) == plan_bytes(whole), f"blocks of {steps} steps"

    def test_other_processes_decide_the_same(self, case: SmallRun) -> None:
        """With other seeds of Python's hashes, on which the order of sets hangs."""
        own = digest(self.prepared(case))
        module = policies.get(self.policy).__module__
        asked = self.experiment(case).model_dump_json()
        assert others(f"{__name__}:digest_of_experiment", asked, module) == [own, own]

    def test_experts_are_in_their_slot_when_read_and_stay_until_done(self, case: SmallRun) -> None:
        found = self.prepared(case)
        parts = found.scenario.layout.batching.expert_parts(case.batch)
        assert check_slots(found, self.timeline(case)) == len(shares_of(found.plan, parts).run)

    def test_nothing_precedes_its_gate_or_outlasts_its_layer(self, case: SmallRun) -> None:
        check_causality(self.prepared(case), self.timeline(case))

    def test_rows_travel_before_and_after_near_data_kernels(self, case: SmallRun) -> None:
        found = self.prepared(case)
        gpu = found.plan.units.index(found.machine.main_unit.name)
        near = check_dispatch(found, self.timeline(case))
        assert near == (shares_of(found.plan).unit != gpu).sum()

    def test_it_is_described(self) -> None:
        summary = policies.get(self.policy).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary


def plan_in_blocks(experiment: Experiment, steps: int) -> Plan:
    """What the policy decides so many steps at a time; 0: one layer at a time."""
    policy, plans = policy_of(experiment, draw(experiment, policy_class(experiment).batching)), []
    last = policy.context.demand.steps
    for first in range(0, last, steps or 1):
        if steps:
            policy.plan_steps(first, min(first + steps, last))
        else:
            Policy.plan_steps(policy, first, first + 1)
        plans.append(policy.plan.take())
    return join_plans(plans)


def check(found: Prepared) -> None:
    """`check_plan` with what the experiment says."""
    sizes = {
        weight_format: weight_format.expert_bytes(found.scenario.model.expert) for weight_format in found.plan.formats
    }
    scenario, policy = found.scenario, found.policy
    check_plan(
        found.plan, scenario.demand, scenario.machine, scenario.addresses, sizes, policy.may_skip, policy.formats()
    )


@cache
def prepared(experiment_yaml: str) -> Prepared:
    """One preparation per experiment, for all tests that only look at it."""
    REUSE.clear()  # another run's program comes without the regions that this one would give out
    return prepare(Experiment(**parse_yaml(experiment_yaml, "an experiment")))


@cache
def timeline(experiment_yaml: str) -> Timeline:
    """Of an experiment, run once in a process."""
    found = prepared(experiment_yaml)
    return engines.get("embedded")().run(found.machine, found.program)


def digest(found: Prepared) -> str:
    """Of every decision and every event."""
    program = found.program
    tables = [program.events, program.accesses, program.tags]
    return hashlib.sha256(plan_bytes(found.plan) + b"".join(table.tobytes() for table in tables)).hexdigest()


def plan_bytes(plan: Plan) -> bytes:
    """Every decision, for comparing plans."""
    tables = [plan.runs, plan.moves, plan.skips, plan.residents]
    names = [*plan.units, *(weight_format.name for weight_format in plan.formats)]
    return b"".join(table.tobytes() for table in tables) + "\0".join(names).encode()


def digest_of_experiment(experiment_json: str) -> str:
    """As `digest`, in another process."""
    return digest(prepare(Experiment.model_validate_json(experiment_json)))
