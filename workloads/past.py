"""Requests that the same router served before: what systems know of that learn from past traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import Experiment
from moe_cosim.workloads.draw import routing_shape
from moe_cosim.workloads.limits import check_routing_size
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.routing.routing import routing_source
from moe_cosim.workloads.verify.decode_steps import DecodeSteps
from moe_cosim.workloads.verify.regroup import first_tokens

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class PastRequests:
    """What an experiment's router says to further sequences, of the run's lengths, none of them the run's own."""

    experiment: Experiment
    model: Model
    decode: DecodeSteps
    assumptions: Assumptions

    def counts(self, requests: int) -> F32:
        """[requests, MoE layers, experts] how often each request chose each expert, prompt and output together.

        Raises `InputError` for a recording that holds no further sequences, and for more than this computer's memory
        takes.
        """
        model, where = self.model, self.experiment.where
        shape = routing_shape(self.experiment, model, first_tokens(self.decode, self.assumptions))
        own = shape.sequences
        shape = replace(shape, sequences=own + requests)
        check_routing_size(shape.sequences * shape.tokens_per_sequence, shape.layers, shape.top_k, where)
        routing = routing_source(self.experiment.routing, where).draw(shape, self.experiment.seed, self.assumptions)
        found = np.zeros((requests, shape.layers, shape.experts), np.float32)
        encoder = model.encoder_moe_layers if model.encoder_layers else None  # reads the prompt, the decoder the rest
        prompt, output = slice(encoder), slice(encoder or 0, None)
        for request in range(requests):
            _count(routing.prefill_experts[own + request][:, prompt], found[request, prompt])
            _count(routing.decode_experts[:, own + request][:, output], found[request, output])
        return found[:, :, : shape.experts - model.identity_experts]


def _count(chosen: NDArray[np.uint16], counts: F32) -> None:
    """Add the choices [tokens, layers, k] of one request to its `counts` [layers, experts]."""
    layers, experts = counts.shape
    flat = chosen.astype(np.int64) + experts * np.arange(layers)[:, None]
    counts += np.bincount(flat.ravel(), minlength=layers * experts).reshape(layers, experts)
