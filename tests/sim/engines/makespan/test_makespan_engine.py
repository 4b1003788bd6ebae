"""The engine of published cost models: what it shares with the others, what it refuses, that its parts sum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError, RunError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.engines.base import engine_of, engines
from moe_cosim.sim.engines.makespan.alone import times_alone_ps
from moe_cosim.sim.engines.makespan.engine import COST_MODELS, MakespanEngine
from moe_cosim.sim.engines.makespan.layers import EXPERTS, LayerEvents
from moe_cosim.sim.engines.makespan.trimoe import TriMoeMakespan
from moe_cosim.sim.run import run
from moe_cosim.testing.engine.machines import memory, one_memory, unit
from moe_cosim.testing.examples import few
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import PURPOSES
from tests.sim.engines.makespan.one_layer import machine, program
from tests.sim.tiny import Tiny, cli, refused

SMALL = {"workload.prompt_tokens": 8, "workload.output_tokens": 4}


@few
@given(
    sizes=st.lists(st.integers(0, 1 << 20), min_size=1, max_size=12), window=st.sampled_from([256.0, 65536.0, np.inf])
)
@pytest.mark.parametrize("model", COST_MODELS)
def test_one_unit_that_shares_nothing_is_as_on_the_embedded_engine(model: str, sizes: list[int], window: float) -> None:
    alone = one_memory([unit("u", window_bytes=window)], memory(latency_ps=90_000, channels=4), latency_ps=5_000)
    builder = ProgramBuilder(alone)
    for index, size in enumerate(sizes):
        tag = builder.tag(1, PURPOSES.index(("attention", "gate", "expert", "combine")[min(index, 3)]))
        builder.stream("u.l0", builder.read("m", size), busy_ps=7_777 * index, setup_ps=index, tag=tag)
    each = builder.build()
    expected = engines.get("embedded")().run(alone, each)
    found = MakespanEngine(model).run(alone, each)
    assert found.start_ps.tolist() == expected.start_ps.tolist()
    assert found.end_ps.tolist() == expected.end_ps.tolist()


def test_experts_all_on_the_gpu_are_as_on_the_embedded_engine(tiny: Tiny) -> None:
    """But for single refreshes of its memory, which the sums hold in the mean."""
    changes = {"policy": {"name": "all-on-gpu"}, "machine": "h100-host", **SMALL}
    sums, simulated = (run(tiny.path, {**changes, "engine": name}) for name in ("makespan", "embedded"))
    assert sums.decode_s == pytest.approx(simulated.decode_s, rel=0.005)
    assert sums.end_to_end_s == pytest.approx(simulated.end_to_end_s, rel=0.005)
    assert sums.units[0].busy_s == pytest.approx(simulated.units[0].busy_s, rel=0.005)
    assert sums.traffic == simulated.traffic


def test_the_sums_are_those_that_trimoes_scheduler_minimised() -> None:
    """Its own makespan of each layer, told by tables of costs alone, without the shared expert."""
    settings = {"workload.batch": 32, "workload.prompt_tokens": 8, "workload.output_tokens": 2}
    counted = {"assumptions.trimoe-channel-contention": "ignored", "model": "glm-4.5-air"}
    prepared = prepare(load_experiment("trimoe-glm-4.5-air", settings | counted))
    layers = LayerEvents.of(prepared.machine, prepared.program)
    loads = TriMoeMakespan().loads(layers)
    sums = np.zeros((layers.cells, len(prepared.machine.units)))
    np.add.at(sums, (layers.cell[loads.event], loads.unit), loads.time_ps)
    shared = np.flatnonzero(layers.purpose == PURPOSES.index("shared expert"))
    np.subtract.at(sums, (layers.cell[shared], layers.unit[shared]), layers.took_ps[shared])
    steps = prepared.program.tags["step"][prepared.program.events["tag"]][layers.row]
    decoding = np.unique(layers.cell[(steps == 1) & (layers.stage == EXPERTS)])
    scheduled = prepared.policy._span  # type: ignore[attr-defined]
    assert len(decoding) == len(scheduled)
    assert sums[decoding].max(axis=1) == pytest.approx(scheduled, rel=0.05)
    assert np.median(sums[decoding].max(axis=1) / scheduled) == pytest.approx(1, rel=0.005)


@pytest.mark.parametrize("name", ["monde-mixtral-8x7b", "edge-ndp-qwen3-30b-a3b", "on-demand-mixtral-8x7b"])
def test_the_path_sums_to_the_whole_and_tokens_follow(name: str) -> None:
    found = run(name, {**SMALL, "engine": "makespan"})
    assert sum(row.time_ps for row in found.critical_path) / 1e12 == pytest.approx(found.end_to_end_s, rel=1e-12)
    assert found.decode_tokens_per_s == pytest.approx(3 / found.decode_s)
    assert all(0 <= row.utilization <= 1 + 1e-9 for row in found.units)
    assumed = {row.name: row.value for row in found.assumptions}
    assert assumed["makespan-model"] == policies.get(load_experiment(name).policy["name"]).cost_model


def test_bytes_are_those_of_the_program() -> None:
    sums, simulated = (run("monde-mixtral-8x7b", {**SMALL, "engine": name}) for name in ("makespan", "embedded"))
    assert sums.traffic == simulated.traffic
    assert sums.experts == simulated.experts


def test_blocks_of_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("monde-mixtral-8x7b", {**SMALL, "engine": "makespan"})
    monkeypatch.setattr("moe_cosim.workloads.blocks.EVENTS_PER_BLOCK", 1)
    cut = run("monde-mixtral-8x7b", {**SMALL, "engine": "makespan", "seed": 0})
    assert (cut.end_to_end_s, cut.decode_s, cut.units) == (whole.end_to_end_s, whole.decode_s, whole.units)
    assert cut.critical_path == whole.critical_path


def test_an_option_sets_one_model_for_all(tiny: Tiny) -> None:
    found = run("monde-mixtral-8x7b", {**SMALL, "engine": {"name": "makespan", "model": "edge-ndp"}})
    assert next(row.value for row in found.assumptions if row.name == "makespan-model") == "edge-ndp"
    line = refused(tiny, "--set", "engine={name: makespan, model: klotski}")
    assert "engine.model: found 'klotski'" in line


def test_every_policys_cost_model_is_there() -> None:
    assert {cls.cost_model for _, cls in policies} == set(COST_MODELS)


def test_a_cost_model_that_nobody_has_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = load_experiment("monde-mixtral-8x7b", {"engine": "makespan"})
    monkeypatch.setattr(policies.get("monde"), "cost_model", "moonde")
    with pytest.raises(InputError, match="cost model of policy monde: found 'moonde'; allowed: "):
        engine_of(chosen)


def test_times_of_events_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    line = refused(tiny, "--engine", "makespan", "--keep", "timeline")
    assert "keep: found timeline (engine makespan gives sums of layers, no times of events)" in line
    found = cli("run", tiny.path, "--engine", "makespan", "--trace", tmp_path / "run.pftrace")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "no times of events" in found.stderr
    with pytest.raises(RunError, match="came without its timeline"):
        _ = run(tiny.path, {"engine": "makespan"}).timeline


def test_a_window_is_refused(tiny: Tiny) -> None:
    assert "window: found a part of the program" in refused(tiny, "--engine", "makespan", "--steps", "1")


def test_a_kept_run_has_program_and_result_and_is_not_replayed(tiny: Tiny) -> None:
    out = tiny.folder / "out"
    found = cli("run", tiny.path, "--engine", "makespan", "--out", out)
    assert found.exit_code == 0, found.stderr
    assert {path.name for path in out.iterdir()} >= {"result.json", "program.zip", "experiment.yaml"}
    assert not (out / "timeline.zip").exists()
    again = cli("replay", out)
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)


def test_a_program_without_tags_is_refused() -> None:
    builder = ProgramBuilder(machine())
    each = builder.compute("gpu.l", 5).build()
    bare = type(each)(each.lanes, each.events, each.accesses, each.tags[:0])
    with pytest.raises(InputError, match="tags: found none"):
        MakespanEngine("units").run(machine(), bare)


def test_lanes_of_other_machines_have_no_place() -> None:
    other = one_memory([unit("u")])
    with pytest.raises(InputError, match=r"lanes: .*the lanes of tiny"):
        MakespanEngine("units").run(other, program())


def test_an_event_alone_takes_what_it_takes_by_itself() -> None:
    """One after the other: the two halves that the CPU reads share nothing but their own event."""
    each = program()
    took = times_alone_ps(machine(), each)
    embedded = engines.get("embedded")()
    for row in np.flatnonzero(each.events["kind"] < 3):
        rows = each.events[row : row + 1].copy()
        first, count = int(rows["first_access"][0]), int(rows["accesses"][0])
        rows["first_access"] = 0
        one = type(each)(each.lanes, rows, each.accesses[first : first + count], each.tags)
        assert took[row] == embedded.run(machine(), one).total_ps
