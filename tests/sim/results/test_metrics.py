"""Every number of a result against a slow and independent computation of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import find_format
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.metrics.busy_time import BusyTime
from moe_cosim.sim.results.metrics.decisions import Decisions
from moe_cosim.sim.results.metrics.event_pass import Spells
from moe_cosim.sim.results.metrics.traffic import bytes_by_kind, traffic_table
from moe_cosim.sim.results.result import Result
from moe_cosim.testing.engine.machines import memory, one_memory, unit
from moe_cosim.workloads.plan import Copy, Plan, PlanBuilder, join_plans
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import COMPUTE, CONTENTS, COPY, PURPOSES, READ, STREAM, WRITE, Program
from moe_cosim.workloads.quantization.losses import LossTable
from tests.sim.tiny import Tiny, run_parts

RUNS = {
    "near data": {},
    "batch": {"workload.batch": 3, "policy.gpu_experts": 0, "quantization.average_bits": 2},
    "devices": {"machine.set.devices.ndp.count": 3, "workload.batch": 2},
    "moving": {"policy": {"name": "monde"}, "workload.batch": 2},
    "cache": {"policy": {"name": "lru", "cache_experts": 2, "speculative": True}, "machine": "h100-host"},
    "mixed": {"policy": {"name": "hobbit"}, "machine": "rtx4090-host", "workload.output_tokens": 6},
    "resident": {"policy": {"name": "all-on-gpu"}, "machine": "h100-host"},
    "no decode": {"workload.output_tokens": 1},
}

Parts = tuple[Prepared, Timeline, Result]


@pytest.fixture(params=RUNS.values(), ids=RUNS)
def parts(request: pytest.FixtureRequest, tiny: Tiny) -> Parts:
    return run_parts(tiny.path, request.param)


def _memory_at(machine: Machine, address: int) -> str:
    (found,) = [m.name for m in machine.memories.values() if 0 <= address - m.base_address < m.capacity_bytes]
    return found


def _flows(machine: Machine, program: Program) -> Iterator[tuple[str, str, int, int]]:
    """(from, to, contents, bytes) of every transfer, one event at a time."""
    for event in program.events:
        first = int(event["first_access"])
        rows = program.accesses[first : first + int(event["accesses"])]
        unit = program.lanes[event["lane"]][0]
        if event["kind"] == STREAM:
            for row in rows:
                memory = _memory_at(machine, int(row["address"]))
                ends = (memory, unit) if row["op"] == READ else (unit, memory)
                yield *ends, int(row["what"]), int(row["bytes"])
        elif event["kind"] == COPY:
            for source, target in zip(rows[0::2], rows[1::2], strict=True):
                ends = (_memory_at(machine, int(source["address"])), _memory_at(machine, int(target["address"])))
                yield *ends, int(source["what"]), int(source["bytes"])


def test_bytes_of_memories_links_and_kinds(parts: Parts) -> None:
    prepared, _, result = parts
    machine = prepared.machine
    read, written, carried = Counter[str](), Counter[str](), Counter[str]()
    of_kind = {name: Counter[str]() for name in CONTENTS}
    for source, target, what, size in _flows(machine, prepared.program):
        kind = of_kind[CONTENTS[what]]
        if source in machine.memories:
            read[source] += size
            kind["memory_bytes"] += size
        if target in machine.memories:
            written[target] += size
            kind["memory_bytes"] += size
        nodes = nx.shortest_path(machine.graph, source, target)
        if any(np.isfinite(machine.graph.edges[edge]["link"].bytes_per_s) for edge in pairwise(nodes)):
            kind["crossed_bytes"] += size
        for a, b in pairwise(nodes):
            link = machine.graph.edges[a, b]["link"]
            if np.isfinite(link.bytes_per_s):
                carried[f"{link.name}:{a}->{b}"] += size
                kind["link_bytes"] += size
        assert all(np.isinf(machine.switches[node].bytes_per_s) for node in nodes if node in machine.switches)
    assert {row.name: row.read_bytes for row in result.memories} == {m: read[m] for m in machine.memories}
    assert {row.name: row.written_bytes for row in result.memories} == {m: written[m] for m in machine.memories}
    assert {row.name: row.bytes for row in result.links if row.bytes} == {k: v for k, v in carried.items() if v}
    for name, counted in of_kind.items():
        assert result.traffic[name].as_dict() == {
            key: counted[key] for key in ("memory_bytes", "link_bytes", "crossed_bytes")
        }


def test_each_pair_of_a_copy_counts_from_where_it_was_read() -> None:
    """Of a copy in three pieces, such as one of a striped expert: [from, to] bytes by hand."""
    machine = build_machine("h100-cxl-ndp-4", Assumptions())
    at = {each.name: index for index, each in enumerate(machine.memory_list)}
    pieces = (("ndp0.dram", "gpu.hbm", 100), ("ndp1.dram", "gpu.hbm", 70), ("gpu.hbm", "ndp2.dram", 30))
    builder = ProgramBuilder(machine)
    ends = [(builder.read(source, size), builder.write(target, size)) for source, target, size in pieces]
    program = builder.copy("gpu.dma.weights", *(access for pair in ends for access in pair)).build()
    activity = Activity(machine)
    activity.add(program, EmbeddedEngine().run(machine, program), is_last=True)
    expected = np.zeros((len(at), len(at)), np.int64)
    for source, target, size in pieces:
        expected[at[source], at[target]] = size
    assert activity.copy_bytes.sum(axis=2).tolist() == expected.tolist()


@pytest.mark.parametrize(("read", "copied"), [(1000, 0), (0, 70), (1000, 70)])
def test_bytes_over_links_are_counted_once_however_many_links_they_take(read: int, copied: int) -> None:
    """What the GPU reads of its own memory takes none that is counted; to a device's there are two."""
    machine = build_machine("h100-cxl-ndp-4", Assumptions())
    builder = ProgramBuilder(machine)
    builder.stream("gpu.sm.main", builder.read("gpu.hbm", 500), builder.read("ndp0.dram", read))
    builder.copy("gpu.dma.weights", builder.read("ndp1.dram", copied), builder.write("gpu.hbm", copied))
    program = builder.build()
    activity = Activity(machine)
    activity.add(program, EmbeddedEngine().run(machine, program), is_last=True)
    table = traffic_table(machine, activity)
    assert not table[len(machine.memory_list) :, :, WRITE].any()
    rows = bytes_by_kind(machine, activity, table).values()
    assert sum(row.crossed_bytes or 0 for row in rows) == read + copied
    assert sum(row.link_bytes for row in rows) > read + copied


def test_achieved_rates_are_bytes_over_time_and_below_the_peak(parts: Parts) -> None:
    _, timeline, result = parts
    seconds = timeline.total_ps / 1e12
    for row in result.memories:
        moved = row.read_bytes + row.written_bytes
        assert row.achieved_bytes_per_s == pytest.approx(moved / seconds)
        assert 0 <= row.utilization == pytest.approx(moved / seconds / row.peak_bytes_per_s)
        assert row.utilization <= 1
    for row in result.links:
        assert row.achieved_bytes_per_s == pytest.approx(row.bytes / seconds)
        assert row.achieved_bytes_per_s <= row.payload_bytes_per_s * (1 + 1e-9) <= row.peak_bytes_per_s * (1 + 1e-9)


def _covered(intervals: list[tuple[int, int]], start: int) -> int:
    """Length of the union of intervals after `start`, edge by edge."""
    edges = sorted({max(edge, start) for interval in intervals for edge in interval})
    return sum(b - a for a, b in pairwise(edges) if any(begin <= a and b <= end for begin, end in intervals))


def test_units_are_busy_while_any_of_their_lanes_is(parts: Parts) -> None:
    prepared, timeline, result = parts
    program = prepared.program
    first_ps = round(result.time_to_first_token_s * 1e12)
    assert [row.name for row in result.units] == list(prepared.machine.units)
    for row in result.units:
        mine = [
            (int(timeline.start_ps[i]), int(timeline.end_ps[i]))
            for i, event in enumerate(program.events)
            if event["kind"] in (COMPUTE, STREAM, COPY) and program.lanes[event["lane"]][0] == row.name
        ]
        assert row.events == len(mine)
        assert row.busy_s == _covered(mine, 0) / 1e12
        assert row.utilization == _covered(mine, 0) / timeline.total_ps
        assert 0 <= row.utilization <= 1
        if timeline.total_ps > first_ps:
            assert row.decode_utilization == _covered(mine, first_ps) / (timeline.total_ps - first_ps)
            assert row.decode_utilization <= row.decode_utilization_with_copies <= 1
        else:
            assert row.decode_utilization == 0


def _spells(lanes: list[list[tuple[int, int]]]) -> Spells:
    count = np.array([len(spells) for spells in lanes], np.int64)
    rows = np.array([spell for spells in lanes for spell in spells], np.int64).reshape(-1, 2)
    return Spells(rows[:, 0].copy(), rows[:, 1].copy(), np.cumsum(count) - count, count)


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_busy_time_is_the_union_of_lanes_in_whatever_blocks_they_come(blocks: int) -> None:
    """Lanes that lag behind, begin late, or never: two units beside one memory."""
    machine = one_memory([unit("a", 2), unit("b", 3)])
    random = np.random.default_rng(blocks)
    for _ in range(60):
        edges = [np.sort(random.choice(100, 2 * random.integers(0, 9), replace=False)) for _ in machine.lanes]
        lanes = [list(zip(edge[::2].tolist(), edge[1::2].tolist(), strict=True)) for edge in edges]
        cuts = [[0, *np.sort(random.integers(0, len(spells) + 1, blocks - 1)), len(spells)] for spells in lanes]
        busy, from_ps = BusyTime(machine), int(random.integers(0, 100))
        for block in range(blocks):
            taken = [spells[cut[block] : cut[block + 1]] for spells, cut in zip(lanes, cuts, strict=True)]
            reached = [
                spells[cut[block + 1] - 1][1] if cut[block + 1] else -1 for spells, cut in zip(lanes, cuts, strict=True)
            ]
            busy.add(_spells(taken), from_ps, None if block == blocks - 1 else np.array(reached))
        for name, mine in {"a": (0, 1), "b": (2, 3, 4), "both": (0, 1, 2, 3, 4)}.items():
            spells = [spell for lane in mine for spell in lanes[lane]]
            wanted = (_covered(spells, 0), _covered(spells, from_ps))
            assert (busy.beside_ps("a") if name == "both" else busy.of_unit_ps(name)) == wanted


def test_the_critical_path_sums_to_the_total(parts: Parts) -> None:
    _, timeline, result = parts
    assert sum(row.time_ps for row in result.critical_path) == timeline.total_ps
    assert sum(row.share for row in result.critical_path) == pytest.approx(1)
    assert all(row.seconds == row.time_ps / 1e12 > 0 for row in result.critical_path)


def test_tokens_are_counted_by_the_ends_of_heads(parts: Parts) -> None:
    prepared, timeline, result = parts
    program, work = prepared.program, prepared.experiment.workload
    heads = sorted(
        int(timeline.end_ps[i])
        for i, event in enumerate(program.events)
        if PURPOSES[program.tags[event["tag"]]["purpose"]] == "head"
    )
    assert len(heads) == work.output_tokens
    assert result.time_to_first_token_s == heads[0] / 1e12
    assert result.end_to_end_s == heads[-1] / 1e12
    assert result.end_to_end_tokens_per_s == pytest.approx(work.batch * work.output_tokens / (heads[-1] / 1e12))
    if work.output_tokens == 1:
        assert result.decode_tokens_per_s is None
        assert result.decode_s == 0
    else:
        rate = work.batch * (work.output_tokens - 1) / ((heads[-1] - heads[0]) / 1e12)
        assert result.decode_tokens_per_s == pytest.approx(rate)


def test_events_and_expert_runs_are_counted(parts: Parts) -> None:
    prepared, _, result = parts
    assert result.events == len(prepared.program.events)
    decode = prepared.plan.runs[prepared.plan.runs["step"] > 0]
    experts = result.experts
    assert experts.gpu_hits + experts.gpu_misses + experts.near_data == len(decode)


def _plans() -> list[Plan]:
    """Two decode steps of one layer, in two blocks; the experts' stories are told in the test below."""
    builder = PlanBuilder(("gpu", "ndp"))
    fp16, int2 = builder.format_index(find_format("fp16")), builder.format_index(find_format("int2"))
    resident, home = Copy(fp16, 0), [Copy(fp16, 4096 * (1 + e)) for e in range(6)]
    builder.at(0, 0)
    kept = builder.move(0, 1, home[1], 1 << 20)
    builder.run(1, 5, "gpu", kept)
    builder.at(1, 0)
    builder.run(0, 1, "gpu", resident)
    builder.run(1, 1, "gpu", kept)
    fetched = builder.move(0, 2, home[2], 2 << 20)
    builder.run(2, 2, "gpu", fetched)
    builder.run(3, 1, "ndp", Copy(int2, 9 << 20))
    builder.skip(5, 1)
    ahead = builder.move(0, 4, home[4], 3 << 20, prefetch=True)
    before = builder.take()
    builder.at(2, 0)
    builder.run(4, 1, "gpu", ahead)
    builder.run(2, 1, "gpu", fetched)
    builder.run(3, 3, "ndp", Copy(int2, 9 << 20))
    return [before, builder.take()]


def _decisions(plans: Sequence[Plan], losses: LossTable = LossTable((2,), np.ones((1, 6, 1)))) -> Decisions:  # noqa: B008
    machine = one_memory([unit("gpu"), unit("ndp", kind="ndp")], memory(capacity=1 << 40))
    demand = SimpleNamespace(layers=1, num_experts=6, steps=3, top_k=2)
    found = Decisions(machine, demand, ExpertShape(16, 16), losses)
    for plan in plans:
        found.add(plan)
    return found


@pytest.mark.parametrize("in_blocks", [False, True])
def test_hits_and_misses_of_a_plan_made_by_hand(in_blocks: bool) -> None:
    """Hits: 0 was there, 1 came in the prefill, 4 was fetched ahead, 2 (again) was still there. Miss: 2 at first."""
    found = _decisions(_plans() if in_blocks else [join_plans(_plans())])
    assert found.expert_summary().as_dict() == {
        "gpu_hits": 4,
        "gpu_hits_by_prefetch": 1,
        "gpu_misses": 1,
        "hit_rate": 4 / 5,
        "near_data": 2,
        "near_data_share": 2 / 7,
        "skipped": 1,
        "moves": 2,
    }
    fp16 = find_format("fp16").expert_bytes(ExpertShape(16, 16))
    assert {way: row.as_dict() for way, row in found.move_rows().items()} == {
        "to the GPU on demand": {"copies": 1, "bytes": fp16},
        "to the GPU ahead": {"copies": 1, "bytes": fp16},
    }


def test_classes_are_by_rank_in_each_layer_and_step() -> None:
    """Of 6 experts the first is hot, the last 4 cold; of equal tokens the lower number is hotter."""
    rows = {(row.class_, row.unit): row for row in _decisions(_plans()).class_rows()}
    runs = {place: round(2 * row.runs_per_layer) for place, row in rows.items()}
    # step 1: expert 2 (2 tokens), 0, 1, 3; step 2: expert 3 (3 tokens), 2, 4
    assert runs == {("hot", "gpu"): 1, ("warm", "gpu"): 2, ("cold", "gpu"): 2, ("hot", "ndp"): 1, ("cold", "ndp"): 1}
    assert rows["hot", "ndp"].tokens_share == 3 / 10
    assert sum(row.tokens_per_layer for row in rows.values()) == pytest.approx(10 / 2)


def test_a_plan_without_decode_has_no_rates() -> None:
    builder = PlanBuilder(("gpu",))
    builder.run(0, 5, "gpu", Copy(builder.format_index(find_format("fp16")), 0))
    found = _decisions([builder.take()])
    assert found.expert_summary().hit_rate is None
    assert found.expert_summary().near_data_share is None
    assert found.mean_loss() is None
    assert found.class_rows() == []


def test_mean_loss_weighs_by_tokens_and_counts_16_bits_as_none() -> None:
    """Of 10 decoded tokens, 1 + 3 ran expert 3 at 2 bits."""
    losses = LossTable((1, 2), np.arange(12, dtype=float)[::-1].reshape(1, 6, 2).copy())
    assert _decisions(_plans(), losses).mean_loss() == pytest.approx((1 + 3) * losses.loss[0, 3, 1] / 10)


def test_changes_of_the_loss_add_up_over_a_tokens_experts() -> None:
    """10 tokens were routed, 2 experts each: what 4 of them add is shared by 5 tokens."""
    delta = np.arange(12, dtype=float).reshape(1, 6, 2)
    found = _decisions(_plans(), LossTable((1, 2), np.ones((1, 6, 2)), "measured", delta))
    assert found.delta_loss() == pytest.approx((1 + 3) * delta[0, 3, 1] / 5)
    assert _decisions(_plans(), LossTable((1, 2), np.ones((1, 6, 2)))).delta_loss() is None


def test_mean_loss_is_none_where_a_width_was_not_measured() -> None:
    assert _decisions(_plans(), LossTable((1, 3), np.ones((1, 6, 2)))).mean_loss() is None


def test_mean_loss_of_a_run_is_that_of_its_plan(tiny: Tiny) -> None:
    prepared, _, result = run_parts(tiny.path, {"quantization.average_bits": 2, "workload.output_tokens": 8})
    losses, total, tokens = prepared.scenario.quantization.losses, 0.0, 0
    for run in prepared.plan.runs:
        if run["step"] == 0:
            continue
        bits = prepared.plan.formats[run["format"]].bits
        tokens += int(run["tokens"])
        if bits < 16:
            total += int(run["tokens"]) * losses.loss[run["layer"], run["expert"], losses.bits.index(bits)]
    assert result.mean_loss == pytest.approx(total / tokens)
    assert result.mean_loss > 0
