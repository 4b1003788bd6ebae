"""Requests that the same router served before: what systems know of that learn from past traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import Experiment
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.draw import routing_shape
from moe_cosim.workloads.limits import check_routing_size
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.routing.routing import Routing, routing_source
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
        model = self.model
        routing, own = self._drawn(requests)
        layers, experts = routing.prefill_experts.shape[2], routing.num_experts
        found = np.zeros((requests, layers, experts), np.float32)
        encoder = model.encoder_moe_layers if model.encoder_layers else None  # reads the prompt, the decoder the rest
        prompt, output = slice(encoder), slice(encoder or 0, None)
        for request in range(requests):
            _count(routing.prefill_experts[own + request][:, prompt], found[request, prompt])
            _count(routing.decode_experts[:, own + request][:, output], found[request, output])
        return found[:, :, : experts - model.identity_experts]

    def runs(self, count: int) -> list[Demand]:
        """What so many further runs of the batch's size ask of their layers, each token decoded one by one.

        Raises as `counts` does.
        """
        model, batch = self.model, self.experiment.workload.batch
        routing, own = self._drawn(count * batch)
        encoder = model.encoder_moe_layers if model.encoder_layers else None
        found = []
        for first in range(own, own + count * batch, batch):
            mine = slice(first, first + batch)
            part = replace(
                routing,
                prefill_experts=routing.prefill_experts[mine],
                prefill_weights=routing.prefill_weights[mine],
                decode_experts=routing.decode_experts[:, mine],
                decode_weights=routing.decode_weights[:, mine],
            )
            found.append(Demand(part, self.experiment.where, encoder, model.identity_experts))
        return found

    def _drawn(self, requests: int) -> tuple[Routing, int]:
        """The run's own sequences and, behind them, so many others; and how many are its own."""
        shape = routing_shape(self.experiment, self.model, first_tokens(self.decode, self.assumptions))
        own, where = shape.sequences, self.experiment.where
        shape = replace(shape, sequences=own + requests)
        check_routing_size(shape.sequences * shape.tokens_per_sequence, shape.layers, shape.top_k, where)
        source = routing_source(self.experiment.routing, where)
        return source.draw(shape, self.experiment.seed, self.assumptions), own


def _count(chosen: NDArray[np.uint16], counts: F32) -> None:
    """Add the choices [tokens, layers, k] of one request to its `counts` [layers, experts]."""
    layers, experts = counts.shape
    flat = chosen.astype(np.int64) + experts * np.arange(layers)[:, None]
    counts += np.bincount(flat.ravel(), minlength=layers * experts).reshape(layers, experts)
