"""What an experiment is of, experts or neurons, and so how it is drawn and prepared."""

from __future__ import annotations

from moe_cosim.experiment import Experiment
from moe_cosim.workloads.neurons.prepare import PreparedNeurons, prepare_neurons
from moe_cosim.workloads.neurons.scenario import NeuronScenario, draw_neurons
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.scenario import Scenario, draw

AnyPrepared = Prepared | PreparedNeurons
AnyScenario = Scenario | NeuronScenario


def prepare_run(experiment: Experiment) -> AnyPrepared:
    """Ready for an engine. Raises `InputError` for an experiment that cannot be."""
    return prepare(experiment) if experiment.neurons is None else prepare_neurons(experiment)


def draw_scenario(experiment: Experiment) -> AnyScenario:
    """What its policy is confronted with. Raises `InputError`."""
    return draw(experiment) if experiment.neurons is None else draw_neurons(experiment)
