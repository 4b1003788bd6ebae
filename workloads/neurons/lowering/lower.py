"""The way from a plan of neurons to a program."""

from __future__ import annotations

from moe_cosim.workloads.lowering.sheet import EventSheet
from moe_cosim.workloads.neurons.lowering.decode import lower_decode
from moe_cosim.workloads.neurons.lowering.prefill import lower_prefill
from moe_cosim.workloads.neurons.lowering.scene import NeuronScene
from moe_cosim.workloads.neurons.plan import NeuronPlan, Placement
from moe_cosim.workloads.neurons.policies.base import NeuronPolicy
from moe_cosim.workloads.neurons.scenario import NeuronScenario
from moe_cosim.workloads.programs.program import Program


class NeuronLowering:
    """Makes the event streams of one run, the prefill first, then decode steps block by block."""

    def __init__(self, scenario: NeuronScenario, policy: NeuronPolicy) -> None:
        self._scenario, self._policy = scenario, policy
        self._sync_ps = policy.sync_ps
        self._tokens = 0

    def prefill(self, placement: Placement) -> Program:
        """The events of step 0."""
        scene = self._scene(range(1))
        lower_prefill(scene, placement)
        return self._program(scene)

    def decode(self, plan: NeuronPlan) -> Program:
        """The events of the plan's steps."""
        scene = self._scene(plan.steps)
        lower_decode(scene, plan)
        return self._program(scene)

    def _scene(self, steps: range) -> NeuronScene:
        scenario, layout = self._scenario, self._policy.layout
        sheet = EventSheet(scenario.neurons.layers, steps, self._tokens)
        return NeuronScene(
            scenario.machine, scenario.neurons, scenario.workload, layout, self._policy.near, self._sync_ps, sheet
        )

    def _program(self, scene: NeuronScene) -> Program:
        self._tokens = scene.sheet.next_token
        machine, work = scene.machine, scene.workload
        meta: dict[str, object] = {
            "model": scene.model.name,
            "batch": work.batch,
            "steps": 1 + self._scenario.decode.count,
        }
        return scene.sheet.program(machine.lanes, machine.name, meta)
