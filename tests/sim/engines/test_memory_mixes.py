"""What meets in a memory decides what it gives: closed forms, from the timing model's own answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.hw_models.components import Switch
from moe_cosim.hw_models.dram.memory import random_blocks, stream
from moe_cosim.hw_models.dram.mix import READ_SHARES, STREAMS, MixFactors, is_scattered, mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory, star, unit
from moe_cosim.testing.engine.random_programs import catalogue_drams
from moe_cosim.workloads.programs.builder import Access, ProgramBuilder

PEAK = 100 * GB_PER_S
CHANNELS = 4
SIZE = 1 << 20
DDR4, HBM3 = range(2)


def machine(which: int, slow_link: float | None = None) -> Machine:
    """A memory of that DRAM with three units around a switch, the last one behind a link that may be slow."""
    by_timings = replace(catalogue_drams()[which], measured_read=None)
    measured = replace(by_timings, measured_read=by_timings.share(stream(1.0)))  # as a long stream: no single refreshes
    bare = memory("m", 1 << 40, PEAK, channels=CHANNELS, interleave_bytes=256)
    part = replace(bare, dram=measured, efficiency=by_timings.efficiency(CHANNELS, 256))
    links = [link("m", "s"), link("u0", "s"), link("u1", "s"), link("u2", "s", slow_link or float("inf"))]
    units = [unit(f"u{i}", 1, "m", float("inf")) for i in range(3)]
    return star(units, [part], links, Switch("s", 0, float("inf")))


def together_ps(parts: Machine, *accesses: list[tuple[bool, int]]) -> list[int]:
    """When each unit's only kernel ends; `accesses` of each: (whether it writes, length of blocks)."""
    builder = ProgramBuilder(parts)
    for place, rows in enumerate(accesses):
        made: list[Access] = []
        for is_write, block in rows:
            add = builder.write if is_write else builder.read
            made.append(add("m", SIZE, place * SIZE, block))
        builder.stream(f"u{place}.l0", *made)
    program = builder.build()
    return EmbeddedEngine().run(parts, program).end_ps.tolist()


def factors_of(parts: Machine) -> MixFactors:
    found = mix_factors(parts.memories["m"])
    assert found is not None
    return found


@pytest.mark.parametrize("which", [DDR4, HBM3])
@pytest.mark.parametrize("is_write", [False, True])
def test_one_stream_gets_the_share_of_its_pattern_alone(which: int, is_write: bool) -> None:
    parts = machine(which)
    dram = parts.memories["m"].dram
    assert dram is not None
    (took,) = together_ps(parts, [(is_write, 0)])
    assert took == pytest.approx(SIZE / (PEAK * dram.share(stream(float(not is_write)))) * 1e12, rel=1e-6)


@pytest.mark.parametrize("which", [DDR4, HBM3])
@pytest.mark.parametrize(("writes", "read_share"), [((False, False), 1.0), ((False, True), 0.5), ((True, True), 0.0)])
def test_two_streams_get_what_the_table_says(which: int, writes: tuple[bool, bool], read_share: float) -> None:
    parts = machine(which)
    dram = parts.memories["m"].dram
    assert dram is not None
    took = together_ps(parts, *([(is_write, 0)] for is_write in writes))
    alone = 1 / (read_share / dram.share(stream(1.0)) + (1 - read_share) / dram.share(stream(0.0)))
    said = min(dram.share(dram.mixed(2, read_share)), alone)
    assert max(took) == pytest.approx(2 * SIZE / (PEAK * said) * 1e12, rel=5e-3)


@pytest.mark.parametrize("which", [DDR4, HBM3])
def test_writes_beside_reads_lose_the_turnarounds(which: int) -> None:
    parts = machine(which)
    apart = max(together_ps(parts, [(False, 0)], [(False, 0)]))
    mixed = max(together_ps(parts, [(False, 0)], [(True, 0)]))
    assert mixed > 1.02 * apart


def test_a_trickle_of_writes_costs_little() -> None:
    """The mix is weighed by what flows would take, not counted."""
    parts = machine(HBM3, slow_link=PEAK / 100)
    factors = factors_of(parts)
    (alone,) = together_ps(parts, [(False, 0)])
    builder = ProgramBuilder(parts)
    builder.stream("u0.l0", builder.read("m", SIZE))
    builder.stream("u2.l0", builder.write("m", SIZE, SIZE))
    end_ps = EmbeddedEngine().run(parts, builder.build()).end_ps.tolist()
    assert alone < end_ps[0] < 1.03 * alone
    assert factors.factor(2, 0.5) < 0.9


def test_the_accesses_of_one_kernel_are_one_stream() -> None:
    parts = machine(HBM3)
    (one,) = together_ps(parts, [(False, 0)])
    (sixteen,) = together_ps(parts, [(False, 0)] * 16)
    assert sixteen == pytest.approx(16 * one, rel=1e-6)


def test_scattered_blocks_meet_as_the_timing_model_says() -> None:
    parts = machine(HBM3)
    part = parts.memories["m"]
    dram = part.dram
    assert dram is not None
    assert is_scattered(part, 256)
    assert not is_scattered(part, 0)
    took = together_ps(parts, [(False, 256)], [(True, 256)])
    said = dram.share(random_blocks(256, 0.5))
    assert max(took) == pytest.approx(2 * SIZE / (PEAK * said) * 1e12, rel=2e-2)


def test_a_memory_that_gives_less_when_a_reader_leaves() -> None:
    """A short read leaves a read and a write alone with each other: what is left of both is slower than before."""
    parts = machine(HBM3)
    builder = ProgramBuilder(parts)
    builder.stream("u0.l0", builder.read("m", SIZE))
    builder.stream("u1.l0", builder.write("m", SIZE, SIZE))
    builder.stream("u2.l0", builder.read("m", SIZE // 8, 2 * SIZE))
    took = max(EmbeddedEngine().run(parts, builder.build()).end_ps.tolist())
    dram = parts.memories["m"].dram
    assert dram is not None
    least = (2 + 1 / 8) * SIZE / PEAK * 1e12
    assert took > least / dram.share(dram.mixed(4, 0.75))


@given(
    streams=st.integers(1, 40),
    read_share=st.floats(0, 1),
    scattered=st.floats(0, 1),
    which=st.sampled_from([DDR4, HBM3]),
)
def test_a_factor_lies_between_those_of_the_table(
    streams: int, read_share: float, scattered: float, which: int
) -> None:
    factors = factors_of(machine(which))
    every = [value for row in (*factors.sequential, factors.scattered) for value in row]
    assert min(every) - 1e-12 <= factors.factor(streams, read_share, scattered) <= 1.0


@pytest.mark.parametrize("which", [DDR4, HBM3])
def test_the_table_holds_its_own_points(which: int) -> None:
    factors = factors_of(machine(which))
    for row, streams in enumerate(STREAMS):
        for column, share in enumerate(READ_SHARES):
            assert factors.factor(streams, share) == pytest.approx(factors.sequential[row][column])
    assert factors.factor(1, 1.0) == factors.factor(1, 0.0) == 1.0
