"""What units are: a kind by name, and the role it plays in a machine.

Policies, lowering and metrics ask for roles; descriptions and reports name kinds. Another package adds
a kind with ``@unit_kinds.register("pim")`` in a module named by an entry point of the group
``moe_cosim.unit_kinds``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from moe_cosim.registry import Registry


class Role(StrEnum):
    """What a unit is there for."""

    MAIN = "main"
    """Computes the dense part of the model, on activations in its own memory; experts only from there."""
    NEAR_DATA = "near-data"
    """Computes beside or inside a memory, from that memory alone; activations are brought to it."""
    HOST = "host"
    """Computes from any memory but that of a main unit; activations are brought to it. On a machine that has no main
    unit, the only host does what a main unit does."""
    COPY = "copy"
    """Computes nothing: moves ranges from memory to memory."""


class UnitKind:
    """A kind of unit. One that computes names a unit model in its description, one that copies names none."""

    summary: ClassVar[str]
    role: ClassVar[Role]
    lowering_hooks: ClassVar[tuple[str, ...]] = ()
    """Names of what adds events to every layer on a machine with such a unit
    (`moe_cosim.workloads.lowering.hooks`)."""


unit_kinds: Registry[type[UnitKind]] = Registry("unit kind", "unit_kinds")


@unit_kinds.register("gpu")
class Gpu(UnitKind):
    summary = "a GPU's multiprocessors"
    role = Role.MAIN


@unit_kinds.register("ndp")
class Ndp(UnitKind):
    summary = "cores beside the DRAM of a memory device or a module"
    role = Role.NEAR_DATA


@unit_kinds.register("cpu")
class Cpu(UnitKind):
    summary = "the host's cores"
    role = Role.HOST


@unit_kinds.register("dma")
class Dma(UnitKind):
    summary = "a copy engine"
    role = Role.COPY
