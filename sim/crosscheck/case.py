"""A named program on a machine that both engines run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.program import Program

Build = Callable[[], tuple[Machine, Program]]

_CASES: dict[str, Case] = {}


@dataclass(frozen=True)
class Case:
    """`build` makes machine and program anew, always the same."""

    name: str
    says: str
    """One line: what the engines must agree about."""
    build: Build
    line_bytes: int = 256


def case(name: str, says: str, line_bytes: int = 256) -> Callable[[Build], Build]:
    """Decorator: adds a case under `name`."""

    def add(build: Build) -> Build:
        if name in _CASES:
            raise ValueError(f"case {name!r} is there already")
        _CASES[name] = Case(name, says, build, line_bytes)
        return build

    return add


def all_cases() -> dict[str, Case]:
    """By name, in the order in which they are defined."""
    from moe_cosim.sim.crosscheck import basic_cases, dimm_cases, fabric_cases, system_cases

    for module in (basic_cases, fabric_cases, system_cases, dimm_cases):
        assert module.__name__  # importing them fills the table
    return dict(_CASES)


def fingerprint(machine: Machine, program: Program) -> str:
    """Of everything an engine reads; a recording of another program is not about this one."""
    digest = hashlib.sha256()
    for unit in machine.units.values():
        digest.update(repr((unit.name, unit.lanes, unit.window_bytes)).encode())
    for memory in machine.memories.values():
        place = (memory.name, memory.base_address, memory.capacity_bytes, memory.channels, memory.interleave_bytes)
        share = memory.efficiency
        speed = (memory.peak_bytes_per_s, memory.latency_ps, share.block_bytes, share.read, share.write)
        digest.update(repr((place, speed)).encode())
    for link in machine.links.values():
        digest.update(repr((link.name, link.ends, link.bytes_per_s, link.latency_ps)).encode())
    for switch in machine.switches.values():
        digest.update(repr((switch.name, switch.bytes_per_s, switch.latency_ps)).encode())
    for peer in machine.peers.values():
        digest.update(repr((peer.name, peer.members, peer.bytes_per_s, peer.latency_ps)).encode())
    for table in (program.events, program.accesses):
        digest.update(table.tobytes())
    return digest.hexdigest()[:16]
