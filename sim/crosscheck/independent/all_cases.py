"""Every case of the independent suite by name."""

from __future__ import annotations

from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.independent.memory_cases import memory_cases
from moe_cosim.sim.crosscheck.independent.policy_cases import policy_cases
from moe_cosim.sim.crosscheck.independent.random_cases import random_cases


def independent_cases() -> dict[str, Case]:
    """In the order in which they are listed and recorded. `ValueError` where two have one name."""
    cases = [*memory_cases(), *policy_cases(), *random_cases()]
    found = {case.name: case for case in cases}
    if len(found) < len(cases):
        raise ValueError("two cases have one name")
    return found
