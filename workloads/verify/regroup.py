"""Routing of sequences that go on token by token, put together as the steps verify them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.verify.decode_steps import I64, DecodeSteps

REJECTED: Final = Assumption(
    "verify-rejected-routing",
    "in-place",
    ("in-place", "further"),
    "recordings hold accepted tokens only. in-place: a drafted token that is rejected chooses the experts of the one "
    "that comes in its place, which the next step then asks for again: the least that the steps can differ. further: "
    "every step verifies tokens behind all that were verified before, so that no two steps share a token: the most",
    "choice",
)
ONE_BY_ONE: Final = Assumption(
    "verify-independent-tokens",
    "as drawn",
    ("as drawn",),
    "this routing draws every token by itself: consecutive tokens of a sequence share no more experts than tokens of "
    "different ones do, so a step asks for more of them than consecutive tokens would (docs/speculative-decoding.md "
    "has what real traces share)",
    "choice",
)


def first_tokens(steps: DecodeSteps, assumptions: Assumptions) -> I64:
    """[steps, sequences] the token of the routing's decode, counted from 0, that each step verifies first."""
    if not steps.workload.drafted_tokens or assumptions.choice(REJECTED) == "in-place":
        return steps.first_tokens
    each = steps.workload.queries * np.arange(steps.count, dtype=np.int64)
    return np.repeat(each[:, None], steps.workload.batch, axis=1)


def regrouped(routing: Routing, first: I64, queries: int, where: object) -> Routing:
    """`routing` with the `queries` tokens from `first` [steps, sequences] on in each step, all of one sequence beside
    each other: [steps, sequences * queries, layers, k]. `InputError` for counts of a batch, which no sequence's are."""
    if not routing.of_tokens:
        found, allowed = Plain("counts of a batch"), "a recording of tokens: steps verify those of one sequence"
        raise InputError(where, "routing.file", found, allowed)
    at = first[:, :, None] + np.arange(queries)
    sequence = np.arange(first.shape[1])[:, None]
    steps, sequences, layers, k = len(first), first.shape[1], *routing.decode_experts.shape[2:]
    size = (steps, sequences * queries, layers, k)
    experts = routing.decode_experts[at, sequence].reshape(size)
    return replace(routing, decode_experts=experts, decode_weights=routing.decode_weights[at, sequence].reshape(size))
