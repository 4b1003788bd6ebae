"""From a plan to a program: kernels, transfers and tokens with real addresses."""

from moe_cosim.workloads.lowering.lower import Lowering

__all__ = ["Lowering"]
