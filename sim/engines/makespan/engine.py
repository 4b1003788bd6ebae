"""The arithmetic of publications on our plan: sums by unit and layer, nothing shared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, Self

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, option, read_options
from moe_cosim.sim.engines.base import Engine, Progress, engines
from moe_cosim.sim.engines.makespan.cost_model import CostModel
from moe_cosim.sim.engines.makespan.edge_ndp import EdgeNdpMakespan
from moe_cosim.sim.engines.makespan.evaluate import evaluate, placed
from moe_cosim.sim.engines.makespan.layers import LayerEvents
from moe_cosim.sim.engines.makespan.monde import MondeMakespan
from moe_cosim.sim.engines.makespan.trimoe import TriMoeMakespan
from moe_cosim.sim.engines.makespan.units import UnitSums
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.policies.base import policy_class
from moe_cosim.workloads.programs.program import Program

COST_MODELS: Final[dict[str, type[CostModel]]] = {
    each.name: each for each in (UnitSums, TriMoeMakespan, MondeMakespan, EdgeNdpMakespan)
}


class MakespanOptions(Options):
    """By whose arithmetic the plan is added up."""

    model: Literal["policy", "units", "trimoe", "monde", "edge-ndp"] = option(
        "policy", "whose cost model: the policy's own, or one for all that are compared"
    )


@engines.register("makespan")
class MakespanEngine(Engine):
    """Every event takes what it takes alone; a layer's experts what the cost model makes of the sums.

    It reads the tags of a program, which no other engine does: sums are by layer and purpose.
    """

    summary: ClassVar[str] = "published cost models: sums by unit and layer, no sharing (not a simulation)"
    options_class = MakespanOptions
    times_events = False

    def __init__(self, model: str = "policy") -> None:
        self._model = UnitSums() if model == "policy" else COST_MODELS[model]()
        self._of_policy = model == "policy"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: object) -> Self:
        return cls(read_options(MakespanOptions, options, where, "engine").model)

    def for_experiment(self, experiment: Experiment) -> Self:
        """With the policy's cost model, unless the options named one. `InputError` for one that is not there, and
        for a window."""
        if not experiment.window.is_whole:
            found = Plain("a part of the program")
            raise InputError(experiment.where, "window", found, "the whole program (engine makespan takes seconds)")
        if not self._of_policy:
            return self
        name = "units" if experiment.neurons is not None else policy_class(experiment).cost_model
        if name not in COST_MODELS:
            raise InputError(experiment.where, f"cost model of policy {experiment.policy['name']}", name, COST_MODELS)
        return type(self)(name)

    def assumed(self, machine: Machine) -> list[Assumption]:
        """The formula, and what all of them leave out."""
        model = self._model
        said = {
            "makespan-model": (model.name, f"experts of a layer: {model.summary} ({model.source})"),
            "makespan-layer": (
                "in-turn",
                "a layer takes its dense part up to the gate, its experts, then the combining, one after the other; "
                "copies that start before the gate or serve later layers hide in it, unless an engine has more of "
                "them than the layer is long; deferred experts count in their own layer",
            ),
            "makespan-alone": (
                "unshared",
                "every kernel and copy takes what it takes on an idle machine: channels, links and memories are "
                "shared with nobody, single refreshes count in the mean, signals take no time",
            ),
        }
        return [Assumption(name, value, (value,), source, "choice") for name, (value, source) in said.items()]

    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        """Raises `InputError` where program and machine do not fit."""
        return next(self.run_blocks(machine, [program], progress))

    def run_blocks(
        self, machine: Machine, blocks: Iterable[Program], progress: Progress | None = None
    ) -> Iterator[Timeline]:
        """A block's layers follow those of the block before."""
        now_ps = 0
        for program in blocks:
            layers = LayerEvents.of(machine, program)
            timeline, now_ps = placed(layers, evaluate(layers, self._model), now_ps)
            if progress is not None:
                progress(1.0)
            yield timeline
