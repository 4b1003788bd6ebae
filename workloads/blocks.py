"""A run in blocks of steps: planned, lowered, and given out one after the other, so that memory stays bounded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.lowering import Lowering
from moe_cosim.workloads.plan import Plan, join_plans
from moe_cosim.workloads.policies.base import Policy
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import Program

EVENTS_PER_BLOCK: Final = 1 << 17
"""About so many: a block's tables fit a processor's cache. No result depends on it."""

_EVENTS_PER_LAYER: Final = 8
_EVENTS_PER_CHOICE: Final = 2
"""A guess at a block's events before any is known."""


@dataclass(frozen=True)
class Block:
    """What was decided for some steps, and their events."""

    plan: Plan
    program: Program
    """Its tokens are numbered through the whole run: a wait may name one that an earlier block signals."""


def blocks_of(policy: Policy, lowering: Lowering) -> Iterator[Block]:
    """All steps of the run that `policy` plans."""
    demand, first = policy.context.demand, 0
    per_step = _guess(demand, policy.context.workload.tokens_per_step)
    while first < demand.steps:
        # of about equal size, the last one too
        rest = demand.steps - first
        last = first + math.ceil(rest / max(1, round(rest * per_step / EVENTS_PER_BLOCK)))
        policy.plan_steps(first, last)
        plan = policy.plan.take()
        program = lowering.lower(plan, first, last)
        yield Block(plan, program)
        per_step, first = max(len(program.events) / (last - first), 1.0), last


def _guess(demand: Demand, tokens: int) -> float:
    """Events of a step."""
    chosen = min(demand.top_k * tokens, demand.num_experts)
    return float(demand.layers * (_EVENTS_PER_LAYER + _EVENTS_PER_CHOICE * chosen))


def join(blocks: Sequence[Block]) -> Block:
    """The whole of a run, from all its blocks."""
    if len(blocks) == 1:
        return blocks[0]
    program, _ = join_programs([block.program for block in blocks])
    return Block(join_plans([block.plan for block in blocks]), program)
