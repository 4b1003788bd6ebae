"""The embedded engine: transfers as flows that share resources max-min fairly; no outside program."""

from moe_cosim.sim.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
