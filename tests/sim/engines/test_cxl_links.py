"""Links that carry CXL.mem: what reads, writes and mixes get, and that links without a protocol are as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.hw_models.components import Link, Switch
from moe_cosim.hw_models.cxl.flits import FLITS
from moe_cosim.hw_models.cxl.lanes import Lanes
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory, star, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder

LANES = Lanes("32 GT/s", 16)
MB = 10**6


def carrying(protocol: CxlProtocol, a: str, b: str) -> Link:
    return Link(f"{a}-{b}", (a, b), protocol.lanes.bytes_per_s, 1 / protocol.read.s2m, 0, protocol)


def expander(protocol: CxlProtocol, kind: str = "gpu") -> Machine:
    """A unit with two lanes beside its own memory, and a memory behind a link; all but the link is fast."""
    host = memory("m", rate=10_000 * GB_PER_S)
    far = memory("far", base=1 << 30, rate=10_000 * GB_PER_S)
    wires = [link("u", "hub"), link("m", "hub"), carrying(protocol, "hub", "far")]
    return star([unit("u", 2, kind=kind)], [host, far], wires, Switch("hub", 0, np.inf))


def end_ps(builder: ProgramBuilder) -> int:
    return int(EmbeddedEngine().run(builder.machine, builder.build()).end_ps.max())


def rate_of(protocol: CxlProtocol, read: int, written: int) -> float:
    """Bytes/s while so many bytes are read and written side by side, so that both end together."""
    builder = ProgramBuilder(expander(protocol))
    accesses = [builder.read("far", read)] if read else []
    accesses += [builder.write("far", written)] if written else []
    builder.stream("u.l0", *accesses)
    return (read + written) / end_ps(builder) * 1e12


@pytest.mark.parametrize(("flit", "per_slot"), [("68", 1), ("68", 2), ("256", 1), ("256-latency-optimized", 1)])
def test_reads_writes_and_even_mixes_get_what_packing_gives(flit: str, per_slot: int) -> None:
    protocol = CxlProtocol(flit, LANES, per_slot)
    assert rate_of(protocol, 64 * MB, 0) == pytest.approx(protocol.bytes_per_s(1.0), rel=1e-5)
    assert rate_of(protocol, 0, 64 * MB) == pytest.approx(protocol.bytes_per_s(0.0), rel=1e-5)
    assert rate_of(protocol, 64 * MB, 64 * MB) == pytest.approx(protocol.bytes_per_s(0.5), rel=1e-5)


def test_a_read_in_68_byte_flits_on_gen5_gets_four_fifths_of_64_of_68() -> None:
    assert rate_of(CxlProtocol("68", LANES), 64 * MB, 0) == pytest.approx(4 / 5 * 64 / 68 * 64e9, rel=1e-5)


@given(st.sampled_from(sorted(FLITS)), st.integers(1, 3), st.floats(0, 1))
def test_what_one_more_byte_takes_adds_up_to_what_limits_a_mix(flit: str, per_slot: int, share: float) -> None:
    protocol = CxlProtocol(flit, LANES, per_slot)
    read, write, wire = protocol.read, protocol.write, protocol.wire_bytes(share)
    to, back = (share * read.m2s + (1 - share) * write.m2s, share * read.s2m + (1 - share) * write.s2m)
    most = max(wire.m2s, wire.s2m)
    if flit == "256-latency-optimized" and per_slot > 1:  # answers to writes use slots that reads leave empty
        assert most * (1 - 1e-9) <= max(to, back) <= 1.03 * most
    else:
        assert max(to, back) == pytest.approx(most)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 64), st.integers(1, 64))
def test_no_mix_gets_more_than_packing_gives(read: int, written: int) -> None:
    """Flows share as max-min fairness has it, so the longer one goes on alone: a mix may get less."""
    protocol = CxlProtocol("68", LANES)
    assert rate_of(protocol, read * MB, written * MB) <= protocol.bytes_per_s(read / (read + written)) * (1 + 1e-5)


def test_a_copy_out_is_a_read_and_a_copy_in_is_a_write() -> None:
    protocol = CxlProtocol("68", LANES, drs_per_slot=2)
    for source, target, share in (("far", "m", 1.0), ("m", "far", 0.0)):
        machine = expander(protocol, kind="dma")
        builder = ProgramBuilder(machine)
        builder.copy("u.l0", builder.read(source, 64 * MB), builder.write(target, 64 * MB))
        assert 64 * MB / end_ps(builder) * 1e12 == pytest.approx(protocol.bytes_per_s(share), rel=1e-5)


def test_reads_and_writes_side_by_side_are_apart_without_a_protocol() -> None:
    protocol = CxlProtocol("68", LANES)
    machine = expander(protocol)
    plain = [replace(wire, protocol=None) for wire in machine.links.values()]
    machine = Machine(
        "plain", list(machine.units.values()), machine.memory_list, plain, list(machine.switches.values())
    )
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("far", 64 * MB), builder.write("far", 64 * MB))
    assert 128 * MB / end_ps(builder) * 1e12 == pytest.approx(2 * protocol.bytes_per_s(1.0), rel=1e-5)
