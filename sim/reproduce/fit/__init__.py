"""One set of a publication's unknowns that brings all its cells closest."""

from __future__ import annotations

from moe_cosim.sim.reproduce.fit.fitted import Fitted
from moe_cosim.sim.reproduce.fit.search import FEWEST, TRIALS, fit

__all__ = ["FEWEST", "TRIALS", "Fitted", "fit"]
