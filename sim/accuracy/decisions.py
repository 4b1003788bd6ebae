"""What an experiment's policy makes of one prompt's routing: the bits of every expert while the answer is decoded."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.workloads.demand import Demand, DemandRows
from moe_cosim.workloads.policies.base import Policy
from moe_cosim.workloads.prepare import policy_of
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import Experts, Routing, Weights
from moe_cosim.workloads.scenario import Scenario, draw

FULL: Final = 16
"""Bits of an expert that is kept as it is."""

_MIXES: Final = "a policy that allocates widths, and quantization.average_bits"


@runtime_checkable
class RanksExperts(Protocol):
    """A policy that orders a layer's experts by what the prompt routed."""

    def importance(self, rows: DemandRows) -> NDArray[np.float64]:
        """[layers, experts] of the prompt's `rows`, the most important largest."""


@dataclass(frozen=True)
class PromptRouting:
    """What the prefill of one prompt routed."""

    experts: Experts
    """[tokens, layers, k], the strongest first."""
    weights: Weights
    """Same shape as `experts`; sums to 1 over k."""
    num_experts: int

    def renamed(self, names: NDArray[np.int64]) -> PromptRouting:
        """As if expert e of layer l had been called `names` [layers, experts]."""
        layers = np.arange(names.shape[0])[None, :, None]
        return PromptRouting(names[layers, self.experts].astype(np.uint16), self.weights, self.num_experts)

    @staticmethod
    def joined(parts: list[PromptRouting]) -> PromptRouting:
        """All of them as one prompt."""
        experts = np.concatenate([part.experts for part in parts])
        return PromptRouting(experts, np.concatenate([part.weights for part in parts]), parts[0].num_experts)


@dataclass(frozen=True)
class Decision:
    """After one prefill."""

    bits: NDArray[np.int64]
    """[layers, experts]; `FULL` for those that stay as they are."""
    importance: NDArray[np.float64] | None
    """[layers, experts] by which the policy ordered them, where it does."""


class Decider:
    """An experiment's own policy, run on one prompt after the other.

    Machine, model and formats are drawn once, from a recorded trace as in a simulation; then prompts take turns.
    """

    def __init__(self, experiment: Experiment) -> None:
        """Raises `InputError` for an experiment without an average of bits to share."""
        if experiment.quantization.average_bits is None:
            raise _refused(experiment, "keeps one precision", _MIXES)
        self.experiment = experiment
        self._scenario: Scenario | None = None

    def decide(self, routing: PromptRouting) -> Decision:
        """What the policy makes of a prompt: decode steps behind it ask for all experts in turn, twice and the second
        time in reverse; the precision that the plan runs each at is the decision.

        Raises `InputError` for an experiment that mixes no widths, for a policy whose widths change while it decodes,
        and for one that leaves experts out.
        """
        experiment, asked = self.experiment, _asked(routing)
        scenario = self._drawn(routing, len(asked.decode_experts))
        demand = Demand(asked, experiment.where)
        addresses = scenario.addresses.copied(experiment.where)
        policy = policy_of(experiment, replace(scenario, demand=demand, addresses=addresses))
        policy.plan_steps(0, demand.steps)
        bits = _bits(policy, experiment)
        if (bits == FULL).all():
            raise _refused(experiment, "keeps one precision", _MIXES)
        rows = demand.rows(0, 1)
        return Decision(bits, policy.importance(rows) if isinstance(policy, RanksExperts) else None)

    def _drawn(self, routing: PromptRouting, steps: int) -> Scenario:
        if self._scenario is None:
            with tempfile.TemporaryDirectory(prefix="moe-cosim-accuracy-") as folder:
                file = Path(folder) / "prompt.npz"
                TokenTrace.from_routing(_asked(routing)).save(file)
                work = {"batch": 1, "prompt_tokens": len(routing.experts), "output_tokens": steps + 1}
                source = {"source": "trace", "file": str(file)}
                self._scenario = draw(self.experiment.with_settings({"workload": work, "routing": source}))
        return self._scenario


def _refused(experiment: Experiment, why: str, allowed: str) -> InputError:
    return InputError(experiment.where, "policy", Plain(f"{experiment.policy.get('name')}, which {why}"), allowed)


def _asked(routing: PromptRouting) -> Routing:
    """The prompt, and decode steps that go round all experts and back, once as a token's strongest and once not."""
    _, layers, top_k = routing.experts.shape
    steps = -(-routing.num_experts // top_k)
    rounds = (np.arange(steps)[:, None] * top_k + np.arange(top_k)) % routing.num_experts
    both = np.concatenate([rounds, rounds[::-1, ::-1]])
    asked = np.repeat(both[:, None, None, :], layers, axis=2).astype(np.uint16)
    falling = 0.1 ** np.arange(top_k)
    weights = np.broadcast_to(falling / falling.sum(), asked.shape).astype(np.float32)
    return Routing(routing.experts[None], routing.weights[None], asked, weights, routing.num_experts, "one prompt")


def _bits(policy: Policy, experiment: Experiment) -> NDArray[np.int64]:
    """[layers, experts] of what decode runs."""
    plan = policy.plan.take()
    runs = plan.runs[plan.runs["step"] > 0]
    full = policy.context.quantization.expert_format
    widths = np.array([FULL if one == full else round(one.bits) for one in plan.formats])
    at = runs["layer"], runs["expert"]
    bits = np.zeros((policy.context.demand.layers, policy.context.demand.num_experts), np.int64)
    bits[at] = widths[runs["format"]]
    if (bits[at] != widths[runs["format"]]).any():
        raise _refused(experiment, "changes widths while it decodes", "a policy that decides once, after the prompt")
    if not bits.all():
        raise _refused(experiment, "leaves experts out", "a policy that computes all experts")
    return bits
