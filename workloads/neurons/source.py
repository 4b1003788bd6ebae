"""An experiment's ``neurons``: where its activity comes from."""

from __future__ import annotations

from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.options import Options, read_options
from moe_cosim.workloads.neurons.activity import NeuronActivity
from moe_cosim.workloads.neurons.generator import ActivityGeneratorOptions, generated
from moe_cosim.workloads.neurons.model import NeuronModel
from moe_cosim.workloads.neurons.trace import ActivityTraceOptions, recorded

SOURCES: Final[dict[str, type[Options]]] = {"generator": ActivityGeneratorOptions, "trace": ActivityTraceOptions}


def draw_activity(experiment: Experiment, model: NeuronModel) -> NeuronActivity:
    """What the experiment's ``neurons`` describe. Raises `InputError`."""
    where, chosen = experiment.where, dict(experiment.neurons or {})
    source = chosen.pop("source", None)
    if source is None:
        raise InputError(where, "neurons.source", Plain("nothing"), list(SOURCES))
    if source not in SOURCES:
        raise InputError(where, "neurons.source", source, list(SOURCES))
    options = read_options(SOURCES[source], chosen, where, "neurons")
    if isinstance(options, ActivityTraceOptions):
        return recorded(options, model, experiment.workload, where)
    assert isinstance(options, ActivityGeneratorOptions)
    return generated(options, model, experiment.workload, experiment.seed, where)
