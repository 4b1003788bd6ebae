"""What every policy of neurons is confronted with, drawn from an experiment."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, QuantizationChoice, Workload
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.hw_models.formats import FP16
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.software import Software, find_software
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.neurons.activity import NeuronActivity
from moe_cosim.workloads.neurons.model import NeuronModel, find_neuron_model
from moe_cosim.workloads.neurons.source import draw_activity
from moe_cosim.workloads.quantization.losses import LossTable
from moe_cosim.workloads.quantization.precisions import PartFormats, Quantization
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.verify.decode_steps import DecodeSteps

_DRAWN: Final[deque[tuple[object, NeuronActivity]]] = deque(maxlen=1)
"""The activity drawn last in this process, and what decided it: variants of a policy run on the same one."""


@dataclass(frozen=True)
class NeuronScenario:
    """A machine, a dense model and its activity. A model without experts has an empty demand for them."""

    machine: Machine
    neurons: NeuronModel
    model: Model
    workload: Workload
    activity: NeuronActivity
    demand: Demand
    quantization: Quantization
    software: Software
    assumptions: Assumptions
    decode: DecodeSteps
    experiment: Experiment

    @property
    def where(self) -> object:
        """What error messages call the experiment."""
        return self.experiment.where


def draw_neurons(experiment: Experiment) -> NeuronScenario:
    """Build the machine, draw the activity. Raises `InputError` for what cannot be."""
    where, work = experiment.where, experiment.workload
    _refuse(experiment)
    assumptions = Assumptions(experiment.assumptions, where)
    machine = machine_of(experiment, assumptions)
    model = find_neuron_model(experiment.model, where)
    software = find_software(experiment.software, assumptions, where)
    check_size(model.plain, work, where)
    activity = _activity(experiment, model)
    return NeuronScenario(
        software.on(machine),
        model,
        model.plain,
        work,
        activity,
        _no_demand(activity.source, work),
        Quantization(FP16, PartFormats(*[FP16] * 5), None, "prefix", _no_losses()),
        software,
        assumptions,
        DecodeSteps.plain(work),
        experiment,
    )


def _activity(experiment: Experiment, model: NeuronModel) -> NeuronActivity:
    decided_by = model, repr(experiment.neurons), experiment.workload, experiment.seed
    if not _DRAWN or _DRAWN[-1][0] != decided_by or "file" in (experiment.neurons or {}):
        _DRAWN.append((decided_by, draw_activity(experiment, model)))
    return _DRAWN[-1][1]


def _refuse(experiment: Experiment) -> None:
    """What experiments with experts may say and these may not."""
    plain = QuantizationChoice()
    for field, value, holds, allowed in (
        ("quantization", experiment.quantization, experiment.quantization == plain, "nothing: neurons are 16-bit"),
        ("workload.verify", experiment.workload.verify, experiment.workload.verify is None, "nothing, with neurons"),
        ("kv_cache", experiment.kv_cache, experiment.kv_cache == "gpu", "nothing: the policy of neurons places it"),
    ):
        if not holds:
            found = value if isinstance(value, str) else Plain("a choice")
            raise InputError(experiment.where, field, found, allowed)


def _no_demand(source: str, work: Workload) -> Demand:
    """Of a model in no layer of which a router asks for experts."""

    def nothing(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((*shape, 0, 1), np.uint16), np.zeros((*shape, 0, 1), np.float32)

    prompt, decode = nothing(work.batch, work.prompt_tokens), nothing(work.decoded_tokens, work.batch)
    return Demand(Routing(*prompt, *decode, 1, source))


def _no_losses() -> LossTable:
    return LossTable((16,), np.zeros((0, 1, 1)), "none: all weights are 16-bit")
