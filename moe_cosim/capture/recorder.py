"""Documents of tokens, put together from the forward passes of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import Experts, Weights, normalised


@dataclass
class _Document:
    experts: list[Experts] = field(default_factory=list)
    weights: list[Weights] = field(default_factory=list)
    ended: bool = False


class RoutingRecorder:
    """What was routed so far: every sequence of every batch is a document, its prompt first. `InputError` for passes
    that do not go on with the same sequences.
    """

    def __init__(self, num_experts: int) -> None:
        self._num_experts = num_experts
        self._documents: list[_Document] = []
        self._batch: list[_Document] = []

    def add_pass(
        self, experts: Experts, weights: Weights, real: NDArray[np.bool_], goes_on: bool, ended: NDArray[np.bool_]
    ) -> None:
        """experts, weights [sequences, tokens, layers, k] of one pass; `real` [sequences, tokens] without padding.

        goes_on: the pass continues the sequences of the one before; else it begins new ones. ended [sequences]: those
        that have nothing more to say, whose further tokens are padding.
        """
        if not goes_on:
            self._batch = [_Document() for _ in experts]
            self._documents += self._batch
        if len(self._batch) != len(experts):
            found = Plain(f"a pass of {len(experts)} sequences after one of {len(self._batch)}")
            raise InputError("capture", "batch", found, "passes that go on with the same sequences (no beam search)")
        for document, ids, gates, kept, over in zip(self._batch, experts, weights, real, ended, strict=True):
            document.ended = document.ended or bool(over)
            if not document.ended:
                document.experts.append(ids[kept])
                document.weights.append(gates[kept])

    def trace(self) -> TokenTrace:
        """All documents with tokens. Raises `InputError` if there are none."""
        documents = [one for one in self._documents if sum(map(len, one.experts))]
        if not documents:
            raise InputError("capture", "tokens", Plain("none"), "at least one pass of the model while it is recorded")
        lengths = [sum(map(len, one.experts)) for one in documents]
        return TokenTrace(
            experts=np.concatenate([part for one in documents for part in one.experts]),
            weights=normalised(np.concatenate([part for one in documents for part in one.weights])),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            num_experts=self._num_experts,
            where="capture",
        )
