"""What steps that verify several tokens came to."""

from __future__ import annotations

from moe_cosim.sim.results.rows import VerifySummary
from moe_cosim.workloads.run_kinds import AnyScenario


def verify_summary(scenario: AnyScenario) -> VerifySummary | None:
    """None where nothing is drafted."""
    work, steps = scenario.workload, scenario.decode
    if work.verify is None or not steps.count:
        return None
    by_layer = scenario.demand.experts_asked()[1:].mean(axis=0)
    accepted, of_steps = int(steps.accepted.sum()), steps.count * work.batch
    return VerifySummary(
        verified_tokens=work.queries,
        accepted_tokens=accepted / of_steps,
        yielded_tokens=steps.tokens / of_steps,
        acceptance_rate=accepted / (of_steps * work.drafted_tokens) if work.drafted_tokens else None,
        distinct_experts=float(by_layer.mean()),
        distinct_by_layer=by_layer.tolist(),
    )
