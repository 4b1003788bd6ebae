"""What one run routes, and the contract of everything that can say so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.options import Options, read_options
from moe_cosim.registry import Registry

Experts = NDArray[np.uint16]
Weights = NDArray[np.float32]

VERSION_MEANS: Final = "how random numbers are drawn: 2 is many times faster than 1, its statistics are the same"
"""Of the option `version` of sources that draw."""


@dataclass(frozen=True)
class RoutingShape:
    """How much routing a run needs."""

    layers: int
    """MoE layers of the model."""
    experts: int
    """Routed experts of a layer (shared experts are not routed)."""
    top_k: int
    sequences: int
    """The batch."""
    prompt_tokens: int
    output_tokens: int
    """Decode steps: every one routes one token of each sequence."""
    router_score: str = "softmax"
    """How the model's router makes weights of its logits (`Model.router_score`)."""

    def __post_init__(self) -> None:
        for name in ("layers", "experts", "top_k", "sequences", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise InputError("routing shape", name, getattr(self, name), "at least 1")
        if self.output_tokens < 0:
            raise InputError("routing shape", "output_tokens", self.output_tokens, "0 or more")
        if not self.top_k <= self.experts <= 65536:
            raise InputError("routing shape", "experts", self.experts, f"between top_k ({self.top_k}) and 65536")

    @property
    def tokens_per_sequence(self) -> int:
        """Prompt and output together."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True)
class Routing:
    """What one run routes. The layer axis counts MoE layers only."""

    prefill_experts: Experts
    """[sequences, prompt_tokens, layers, k], the strongest choice first."""
    prefill_weights: Weights
    """Same shape; sums to 1 over k."""
    decode_experts: Experts
    """[steps, sequences, layers, k]."""
    decode_weights: Weights
    """Same shape; sums to 1 over k."""
    num_experts: int
    source: str
    """One line: what it was drawn from, and the seed."""
    of_tokens: bool = True
    """False: only the loads of each step and layer are what was recorded; which token chose what is made up."""

    def validate(self, where: object = "routing") -> None:
        """Raise `InputError` unless this is routing some model could have done."""
        for phase in ("prefill", "decode"):
            experts, weights = getattr(self, f"{phase}_experts"), getattr(self, f"{phase}_weights")
            check_tokens(experts, weights, self.num_experts, where, phase)
        if self.prefill_experts.size == 0:
            raise InputError(where, "prefill_experts", Plain("no tokens"), "at least one token")
        sequences, _, layers, k = self.prefill_experts.shape
        if self.decode_experts.shape[1:] != (sequences, layers, k):
            raise InputError(
                where,
                "decode_experts",
                Plain(f"shape {self.decode_experts.shape}"),
                f"(steps, {sequences}, {layers}, {k}) as in prefill",
            )


def check_tokens(experts: Experts, weights: Weights | None, num_experts: int, where: object, field: str) -> None:
    """Raise `InputError` for ids out of range or twice in a token, and for weights that are not finite and >= 0; both
    are [..., k].
    """
    if experts.ndim < 3 or experts.dtype != np.uint16:
        raise InputError(
            where, f"{field} experts", Plain(f"{experts.dtype} {experts.shape}"), "uint16 [..., token, layer, k]"
        )
    if experts.size and int(experts.max()) >= num_experts:
        raise InputError(where, f"{field} experts", int(experts.max()), f"ids from 0 to {num_experts - 1}")
    rows = np.sort(experts, axis=-1)
    if bool((rows[..., 1:] == rows[..., :-1]).any()):
        raise InputError(where, f"{field} experts", Plain("an expert twice in one token"), "k different experts")
    if weights is None:
        return
    if weights.shape != experts.shape:
        raise InputError(where, f"{field} weights", Plain(f"shape {weights.shape}"), f"the experts' {experts.shape}")
    if not bool(np.isfinite(weights).all()):
        raise InputError(where, f"{field} weights", Plain("NaN or infinity"), "finite weights")
    if bool((weights < 0).any()):
        raise InputError(where, f"{field} weights", float(weights.min()), "weights of 0 or more")


def normalised(weights: NDArray[Any]) -> Weights:
    """`weights` [..., k] scaled to sum to 1 over the last axis; equal weights where they sum to 0.

    Rows that sum to 1 up to float32 rounding stay as they are, so that reading back changes nothing.
    """
    total = weights.sum(axis=-1, keepdims=True, dtype=np.float64)
    total = np.where(np.abs(total - 1) <= 1e-6, 1.0, total)
    equal = 1.0 / weights.shape[-1]
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), equal).astype(np.float32)


class RoutingSource(ABC):
    """Where routing comes from; registered under the name an experiment's ``routing.source`` uses.

    Constructed from the experiment's options (without ``source``), which must fit `options_class`
    (else `InputError`); `folder` is what relative paths in them are relative to. A subclass with
    options annotates ``options`` with its class, and may refuse more in its own constructor.
    """

    summary: ClassVar[str]
    """One line for listings."""
    options_class: ClassVar[type[Options]] = Options
    assumptions: ClassVar[tuple[Assumption, ...]] = ()
    """What `draw` asks for, whatever the options."""
    follows_sequences: ClassVar[bool] = True
    """Whether tokens of a sequence follow each other, as in a text; else each is drawn by itself."""
    options: Options

    def __init__(self, options: Mapping[str, Any], where: object, folder: Path) -> None:
        self.options = read_options(self.options_class, options, where, "routing")

    @abstractmethod
    def draw(self, shape: RoutingShape, seed: int, assumptions: Assumptions) -> Routing:
        """Routing of exactly `shape`; the same for the same arguments, everywhere."""


routers: Final[Registry[type[RoutingSource]]] = Registry(
    "router",
    "routers",
    tuple(
        f"moe_cosim.workloads.routing.{module}"
        for module in ("generator", "trace_source", "batch_source", "popularity_source")
    ),
)


def routing_source(options: Mapping[str, Any], where: object = "experiment", folder: Path = Path()) -> RoutingSource:
    """The source an experiment's ``routing`` mapping describes. Raises `InputError`."""
    if "source" not in options:
        raise InputError(where, "routing.source", Plain("nothing"), routers.names())
    cls = routers.get(str(options["source"]), where, "routing.source")
    return cls({key: value for key, value in options.items() if key != "source"}, where, folder)
