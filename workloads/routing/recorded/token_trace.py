"""Recorded routing, token by token, and our own file format for it (docs/routing.md)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.whole_file import write_whole
from moe_cosim.workloads.routing.recorded.trace import Trace
from moe_cosim.workloads.routing.routing import Experts, Routing, Weights, check_tokens

FORMAT: Final = "moe-cosim routing trace"
VERSION: Final = 1


@dataclass(frozen=True)
class TokenTrace(Trace):
    """A trace in memory. Immutable and valid by construction."""

    experts: Experts
    """[tokens, layers, k]: documents one after the other, tokens in reading order."""
    weights: Weights | None
    """Same shape, or None where the trace has none: then a token's experts weigh 1/k each."""
    offsets: NDArray[np.int64]
    """[documents + 1]: where each begins among the tokens."""
    num_experts: int
    num_experts_known: bool = True
    prompt_tokens: NDArray[np.int64] | None = None
    """[documents] of each, how many are its prompt; None: not said."""
    domains: tuple[str, ...] | None = None
    where: str = "trace"

    def __post_init__(self) -> None:
        if self.experts.ndim != 3 or self.experts.size == 0:
            shape = Plain(f"shape {self.experts.shape}")
            raise InputError(self.where, "experts", shape, "[tokens, layers, k] with at least one token")
        check_tokens(self.experts, self.weights, self.num_experts, self.where, "trace")
        offsets = self.offsets
        rising = offsets.ndim == 1 and len(offsets) >= 2 and bool((np.diff(offsets) > 0).all())
        if not (rising and offsets[0] == 0 and offsets[-1] == len(self.experts)):
            allowed = f"rising token numbers from 0 to {len(self.experts)}, no empty document"
            raise InputError(self.where, "offsets", Plain(f"{len(offsets)} values that do not fit"), allowed)
        for name in ("prompt_tokens", "domains"):
            value = getattr(self, name)
            if value is not None and len(value) != self.documents:
                raise InputError(self.where, name, Plain(f"{len(value)} values"), f"one for each of {self.documents}")
        if self.prompt_tokens is not None and bool((self.prompt_tokens < 0).any()):
            raise InputError(self.where, "prompt_tokens", int(self.prompt_tokens.min()), "0 or more")

    @property
    def has_weights(self) -> bool:
        return self.weights is not None

    @property
    def layers(self) -> int:
        return int(self.experts.shape[1])

    @property
    def top_k(self) -> int:
        return int(self.experts.shape[2])

    def take(self, tokens: NDArray[np.int64]) -> tuple[Experts, Weights | None]:
        return self.experts[tokens], None if self.weights is None else self.weights[tokens]

    def take_documents(self, chosen: NDArray[np.int64], layers: slice = slice(None)) -> TokenTrace:
        """A trace of the documents `chosen` [n], in that order, and of some layers."""
        tokens = np.concatenate([np.arange(self.offsets[d], self.offsets[d + 1]) for d in chosen])
        return TokenTrace(
            experts=self.experts[tokens][:, layers],
            weights=None if self.weights is None else self.weights[tokens][:, layers],
            offsets=np.concatenate([[0], np.cumsum(self.lengths[chosen])]),
            num_experts=self.num_experts,
            num_experts_known=self.num_experts_known,
            prompt_tokens=None if self.prompt_tokens is None else self.prompt_tokens[chosen],
            domains=None if self.domains is None else tuple(self.domains[d] for d in chosen),
            where=self.where,
        )

    @classmethod
    def of(cls, trace: Trace, documents: int | None = None) -> TokenTrace:
        """All of a trace in memory, or its first `documents`."""
        documents = trace.documents if documents is None else documents
        experts, weights = trace.take(np.arange(trace.offsets[documents]))
        return cls(
            experts,
            weights,
            trace.offsets[: documents + 1],
            trace.num_experts,
            trace.num_experts_known,
            None if trace.prompt_tokens is None else trace.prompt_tokens[:documents],
            None if trace.domains is None else trace.domains[:documents],
            trace.where,
        )

    @classmethod
    def from_routing(cls, routing: Routing) -> TokenTrace:
        """Every sequence as one document: its prompt, then what it decoded."""
        experts = np.concatenate([routing.prefill_experts, routing.decode_experts.swapaxes(0, 1)], axis=1)
        weights = np.concatenate([routing.prefill_weights, routing.decode_weights.swapaxes(0, 1)], axis=1)
        sequences, tokens, layers, k = experts.shape
        return cls(
            experts=experts.reshape(sequences * tokens, layers, k),
            weights=weights.reshape(sequences * tokens, layers, k),
            offsets=np.arange(sequences + 1, dtype=np.int64) * tokens,
            num_experts=routing.num_experts,
            where=routing.source,
        )

    def save(self, path: Path) -> None:
        """Write our own format; `moe_cosim.workloads.routing.readers.read_trace` reads it back."""
        arrays: dict[str, NDArray[np.generic]] = {
            "format": np.array(FORMAT),
            "version": np.array(VERSION),
            "experts": self.experts,
            "offsets": self.offsets,
        }
        if self.num_experts_known:
            arrays["num_experts"] = np.array(self.num_experts)
        if self.weights is not None:
            arrays["weights"] = self.weights
        if self.prompt_tokens is not None:
            arrays["prompt_tokens"] = self.prompt_tokens
        if self.domains is not None:
            arrays["domains"] = np.array(self.domains)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        write_whole(path, file.getvalue())
