"""Every case by name."""

from __future__ import annotations

from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.cases import (
    basic_cases,
    cxl_cases,
    dimm_cases,
    dimm_policy_cases,
    fabric_cases,
    fabric_levels_cases,
    flash_cases,
    policy_cases,
)


def all_cases() -> dict[str, Case]:
    """In the order in which they are listed and recorded. `ValueError` where two have one name."""
    cases = [
        *basic_cases.TABLE.cases,
        *fabric_cases.TABLE.cases,
        *policy_cases.CASES,
        *dimm_cases.TABLE.cases,
        *dimm_policy_cases.CASES,
        *fabric_levels_cases.TABLE.cases,
        *cxl_cases.TABLE.cases,
        *flash_cases.CASES,
    ]
    found = {case.name: case for case in cases}
    if len(found) < len(cases):
        raise ValueError("two cases have one name")
    return found
