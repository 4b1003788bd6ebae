"""What a run's answers hang on: every assumption varied over its range, one at a time."""

from __future__ import annotations

from moe_cosim.sim.sensitivity.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.vary import sensitivity

__all__ = ["Sensitivity", "sensitivity"]
