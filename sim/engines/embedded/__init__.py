"""The embedded engine: transfers as flows that share resources max-min fairly; no outside program."""

from sim.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
