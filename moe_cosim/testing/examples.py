"""How many random examples a contract tries, and how."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A contract's tests are shared by the classes that subclass it: hypothesis takes that for a mistake.
_SHARED = [HealthCheck.differing_executors]

many = settings(max_examples=100, deadline=None, suppress_health_check=_SHARED)
few = settings(max_examples=40, deadline=None, suppress_health_check=_SHARED)
"""For what takes milliseconds each."""
