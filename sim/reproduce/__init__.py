"""Published figures beside simulated ones."""

from __future__ import annotations

from moe_cosim.sim.reproduce.base import Reproduced, Reproduction, reproduce

__all__ = ["Reproduced", "Reproduction", "reproduce", "reproductions"]


def reproductions() -> dict[str, type[Reproduction]]:
    """By name."""
    from moe_cosim.sim.reproduce.base import registry

    return dict(iter(registry))
