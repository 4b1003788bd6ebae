"""Closed forms: what a transfer takes when it can be worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.hw_models.components import AccessEfficiency, Switch
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, link, memory, one_memory, star, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder

HALF_FOR_SMALL = AccessEfficiency((64.0, 4096.0), (0.5, 1.0), (0.25, 0.8))


def ends(builder: ProgramBuilder) -> list[int]:
    return [int(end) for end in EmbeddedEngine().run(builder.machine, builder.build()).end_ps]


def test_one_read_takes_its_latency_and_its_bytes_at_the_achievable_rate() -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=30_000, efficiency=HALF_FOR_SMALL)
    machine = one_memory([unit("u")], part, latency_ps=500)
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 6400, block=64))
    assert ends(builder) == [500 + 30_000 + 500 + 6400 * 10 * 2]


def test_a_write_waits_for_its_acknowledgement_and_has_its_own_efficiency() -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=30_000, efficiency=HALF_FOR_SMALL)
    machine = one_memory([unit("u")], part, latency_ps=500)
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.write("m", 6400, block=64), setup_ps=77)
    assert ends(builder) == [77 + 500 + 30_000 + 500 + 6400 * 10 * 4]


def test_the_efficiency_between_two_block_sizes_is_interpolated_in_the_logarithm() -> None:
    machine = one_memory([unit("u")], memory(efficiency=HALF_FOR_SMALL))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 750_000, block=512))  # 64 * 8 = 4096 / 8: share 0.75
    assert ends(builder) == [10_000_000]


def test_an_access_of_no_bytes_is_none() -> None:
    machine = one_memory([unit("u")], memory(latency_ps=123), latency_ps=10)
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 0), setup_ps=5)
    builder.stream("u.l0", builder.read("m", 0), builder.read("m", 1000))
    assert ends(builder) == [5, 5 + 143 + 10_000]


def test_the_minimum_time_dominates_short_traffic_and_not_long_traffic() -> None:
    machine = one_memory([unit("u")])
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 100), setup_ps=50, busy_ps=9_000)
    builder.stream("u.l0", builder.read("m", 1000), setup_ps=50, busy_ps=9_000)
    builder.compute("u.l0", setup_ps=50, busy_ps=9_000)
    assert ends(builder) == [9_050, 9_050 + 10_050, 9_050 + 10_050 + 9_050]


def test_a_lane_runs_its_events_in_order_and_lanes_run_side_by_side() -> None:
    machine = one_memory([unit("u", 2)])
    builder = ProgramBuilder(machine)
    builder.compute("u.l0", 10).compute("u.l0", 20).compute("u.l1", 15)
    timeline = EmbeddedEngine().run(machine, builder.build())
    assert timeline.start_ps.tolist() == [0, 10, 0]
    assert timeline.end_ps.tolist() == [10, 30, 15]


def test_two_flows_share_a_memory_and_the_longer_one_has_it_alone_afterwards() -> None:
    machine = one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 1000)).stream("u.l1", builder.read("m", 3000))
    assert ends(builder) == [20_000, 40_000]


def test_a_flow_that_comes_later_slows_down_the_one_before_from_then_on() -> None:
    machine = one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 1000))
    builder.stream("u.l1", builder.read("m", 1000), setup_ps=5_000)
    assert ends(builder) == [15_000, 20_000]  # half alone, half shared; then the rest alone


def test_reads_and_writes_share_a_memory_but_not_a_full_duplex_link() -> None:
    parts = [memory("m", rate=1000 * GB_PER_S)]
    machine = Machine("tiny", [unit("u", 2)], parts, [link("u", "m", 100 * GB_PER_S)], [])
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 1000)).stream("u.l1", builder.write("m", 1000))
    assert ends(builder) == [10_000, 10_000]

    shared = ProgramBuilder(one_memory([unit("u", 2)], memory(rate=100 * GB_PER_S)))
    shared.stream("u.l0", shared.read("m", 1000)).stream("u.l1", shared.write("m", 1000))
    assert ends(shared) == [20_000, 20_000]


def test_a_flow_takes_of_a_memory_by_the_inverse_of_its_efficiency() -> None:
    """Equal rates x with x (1/0.5 + 1/1) = peak: both move a third of the peak."""
    machine = one_memory([unit("u", 2)], memory(rate=90 * GB_PER_S, efficiency=HALF_FOR_SMALL))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 3000, block=64)).stream("u.l1", builder.read("m", 3000, block=4096))
    assert ends(builder) == [100_000, 100_000]


def test_the_window_over_the_round_trip_limits_a_lane() -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=80_000)
    machine = one_memory([unit("u", 2, window_bytes=1000)], part, latency_ps=10_000)
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 5000)).stream("u.l1", builder.read("m", 5000))
    # 1000 bytes per 100 ns and a line of 256 B on the channel (2.56 ns), each lane its own window
    assert ends(builder) == [100_000 + 5 * 102_560] * 2


def test_a_longer_line_takes_longer_to_turn_a_window_over() -> None:
    part = memory(rate=100 * GB_PER_S, latency_ps=100_000, channels=4, interleave_bytes=512)
    machine = one_memory([unit("u", window_bytes=1024)], part)
    builder = ProgramBuilder(machine)
    program = builder.stream("u.l0", builder.read("m", 10_240)).build()
    for line_bytes, line_ps in ((64, 2_560), (512, 20_480), (1024, 20_480)):  # on one channel of 25 GB/s
        timeline = EmbeddedEngine(line_bytes=line_bytes).run(machine, program)
        assert timeline.total_ps == 100_000 + 10 * (100_000 + line_ps)


def test_the_flows_of_one_event_share_its_lanes_window() -> None:
    machine = one_memory([unit("u", window_bytes=1000)], memory(latency_ps=100_000))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 5000), builder.read("m", 5000))
    assert ends(builder) == [100_000 + 10 * 102_560]


def test_accesses_share_the_window_by_their_bytes_and_end_together() -> None:
    machine = one_memory([unit("u", window_bytes=10_000)], memory(rate=1000 * GB_PER_S, latency_ps=100_000))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 900_000), builder.read("m", 100_000))
    assert ends(builder) == [100_000 + 100 * 100_256]  # as one access of a million bytes: a line takes 256 ps


@pytest.mark.parametrize(("size", "offset", "channels"), [(256, 0, 1), (256, 128, 2), (1024, 0, 4), (1024, 128, 5)])
def test_a_small_range_is_served_by_the_channels_it_touches(size: int, offset: int, channels: int) -> None:
    machine = one_memory([unit("u")], memory(base=1 << 33, rate=80 * GB_PER_S, channels=8))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", size, offset))
    assert ends(builder) == [-(-size * 100 // channels)]  # 10 GB/s a channel


def test_a_copy_takes_the_rate_between_the_memories_and_the_latency_through_its_unit() -> None:
    memories = [memory("a", 0, 100 * GB_PER_S, 7_000), memory("b", 1 << 30, 100 * GB_PER_S, 9_000)]
    links = [link("dma", "s", GB_PER_S, 100), link("a", "s", 50 * GB_PER_S, 200), link("b", "s", 20 * GB_PER_S, 400)]
    machine = star([unit("dma", memory="a")], memories, links, Switch("s", 1_000, np.inf))
    builder = ProgramBuilder(machine)
    builder.copy("dma.l0", builder.read("a", 10_000), builder.write("b", 10_000))
    read_ps, write_ps = 2 * (100 + 1_000 + 200) + 7_000, 2 * (100 + 1_000 + 400) + 9_000
    assert ends(builder) == [read_ps + write_ps + 10_000 * 50]


def test_a_copy_within_a_memory_crosses_it_twice() -> None:
    machine = one_memory([unit("dma")], memory(rate=100 * GB_PER_S, latency_ps=1_000, efficiency=HALF_FOR_SMALL))
    builder = ProgramBuilder(machine)
    builder.copy("dma.l0", builder.read("m", 1000, 0, 64), builder.write("m", 1000, 4096, 64))
    assert ends(builder) == [2_000 + 1000 * 10 * (2 + 4)]


def test_max_min_fairness_on_three_links_in_a_row() -> None:
    """A long flow over links of 10, 4 and 6 GB/s, each with a short flow of its own: the long one and
    its neighbour on the narrowest link get 2; the others take what is left, 8 and 4."""
    fast = [memory(f"m{i}", i << 30, 1000 * GB_PER_S) for i in range(4)]
    links = [link(f"m{i}", f"m{i + 1}", rate * GB_PER_S) for i, rate in enumerate((10, 4, 6))]
    dma = unit("dma", 4, "m0")
    machine = Machine("row", [dma], fast, [*links, link("dma", "m0")], [])
    builder = ProgramBuilder(machine)

    def copy(lane: int, source: str, target: str, size: int) -> None:
        builder.copy(f"dma.l{lane}", builder.read(source, size), builder.write(target, size))

    copy(0, "m0", "m3", 2000)
    copy(1, "m0", "m1", 8000)
    copy(2, "m1", "m2", 2000)
    copy(3, "m2", "m3", 4000)
    assert ends(builder) == [1_000_000] * 4


def test_a_switch_limits_the_sum_of_what_passes_it() -> None:
    memories = [memory("a", 0), memory("b", 1 << 30)]
    units = [unit("u", memory="a"), unit("v", memory="b")]
    links = [link(name, "s", 100 * GB_PER_S) for name in ("a", "b", "u", "v")]
    machine = star(units, memories, links, Switch("s", 0, 100 * GB_PER_S))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("a", 1000)).stream("v.l0", builder.write("b", 1000))
    assert ends(builder) == [20_000, 20_000]


def test_without_any_limit_bytes_take_no_time() -> None:
    machine = one_memory([unit("u", 2)], memory(rate=np.inf, latency_ps=10))
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 1000)).stream("u.l1", builder.read("m", 5000))
    assert ends(builder) == [10, 10]


def test_a_wait_ends_when_the_last_signal_has_crossed_the_path() -> None:
    links = [link("a", "s", latency_ps=100), link("b", "s", latency_ps=20), link("m", "s")]
    machine = star([unit("a", 2), unit("b")], [memory()], links, Switch("s", 3, np.inf))
    builder = ProgramBuilder(machine)
    builder.compute("a.l0", 1_000).signal("a.l0", 0)
    builder.compute("b.l0", 1_050).signal("b.l0", 0).wait("b.l0", 0)
    builder.wait("a.l1", 0)
    program = builder.build()
    timeline = EmbeddedEngine().run(machine, program)
    assert timeline.end_ps.tolist() == [1_000, 1_000, 1_050 + 123, 1_050, 1_050, 1_000 + 123]


def test_a_wait_for_what_has_arrived_or_for_nothing_ends_at_once() -> None:
    machine = one_memory([unit("u", 2)])
    builder = ProgramBuilder(machine)
    builder.signal("u.l0", 0).compute("u.l1", 500).wait("u.l1", 0).wait("u.l1", 1)
    assert ends(builder) == [0, 500, 500, 500]


def test_lanes_wake_one_another_within_one_picosecond() -> None:
    machine = one_memory([unit("u", 3)])
    builder = ProgramBuilder(machine)
    builder.wait("u.l0", 2).compute("u.l0", 5)
    builder.wait("u.l1", 1).signal("u.l1", 2)
    builder.compute("u.l2", 40).signal("u.l2", 1)
    assert ends(builder) == [40, 45, 40, 40, 40, 40]


def test_a_late_transfer_takes_as_long_as_an_early_one() -> None:
    """10^14 ps is 100 seconds; one unit in the last place of a float64 there is 1/64 ps."""
    machine = one_memory([unit("u", 3)], memory(rate=97 * GB_PER_S))

    def durations(begin_ps: int) -> list[int]:
        builder = ProgramBuilder(machine)
        for lane, size in enumerate((777, 1333, 5001)):
            builder.compute(f"u.l{lane}", begin_ps).stream(f"u.l{lane}", builder.read("m", size), setup_ps=lane * 3001)
        return [end - begin_ps for end in ends(builder)[1::2]]

    assert durations(10**14) == durations(0)


def test_many_lanes_on_one_memory_share_it_equally() -> None:
    lanes = 3000
    machine = one_memory([unit("u", lanes)], memory(rate=300 * GB_PER_S))
    builder = ProgramBuilder(machine)
    for lane in range(lanes):
        builder.stream(f"u.l{lane}", builder.read("m", 64))
    assert ends(builder) == [lanes * 64 * 10 // 3] * lanes


def test_a_run_of_more_than_thirteen_days_is_refused() -> None:
    slow = one_memory([unit("u", 2)], memory(rate=1e-3))
    builder = ProgramBuilder(slow)
    builder.stream("u.l0", builder.read("m", 1 << 20)).wait("u.l1", 0).signal("u.l0", 0)
    with pytest.raises(RunError, match="13 days"):
        ends(builder)
    long = ProgramBuilder(one_memory([unit("u")]))
    for _ in range(8):
        long.compute("u.l0", 2**57).compute("u.l0", 2**57)
    with pytest.raises(RunError, match="13 days"):
        ends(long)


def test_what_could_never_move_is_refused_before_the_run() -> None:
    dead_link = Machine("tiny", [unit("u")], [memory()], [link("u", "m", 0.0)], [])
    builder = ProgramBuilder(dead_link)
    with pytest.raises(InputError, match="machine tiny: u-m:m->u: found a rate of 0"):
        ends(builder.stream("u.l0", builder.read("m", 1)))
    blind = ProgramBuilder(one_memory([unit("u", window_bytes=0)], memory(latency_ps=1)))
    with pytest.raises(InputError, match="window"):
        ends(blind.stream("u.l0", blind.read("m", 1)))


def test_the_engine_is_listed_without_loading_the_compiler() -> None:
    code = (
        "import sys; from moe_cosim.sim.engines.base import engines; assert engines.get('embedded').summary;"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
