"""A run that takes another's program: when it may, and that it comes to what it would have come to alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.build import build_with_origins
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.run import run
from moe_cosim.testing.policy.contract import plan_bytes
from moe_cosim.workloads.lowering.hooks import HOOK, LoweringHook, Moments, lowering_hooks
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.prepare import Prepared, lowering_of, policy_of, prepare
from moe_cosim.workloads.programs.program import COMPUTE, Program
from moe_cosim.workloads.reuse import REUSE
from moe_cosim.workloads.scenario import draw
from tests.workloads.models.test_model_families import COMMON
from tests.workloads.policies.test_asked_costs import ASKING, of_each_policy

EXPERIMENTS = {
    name: experiment.with_settings({"workload.batch": 3, "workload.prompt_tokens": 4, "workload.output_tokens": 3})
    for name, experiment in of_each_policy().items()
}
BRIEFLY = ("hobbit", "monde", "trimoe", "cox-moe", "static-hybrid", "dynaexq")
"""By loads, by costs on one and on three kinds of unit, in batches, placed once, placed again."""
POLICIES = [pytest.param(name, marks=[] if name in BRIEFLY else [pytest.mark.slow]) for name in EXPERIMENTS]
"""For what takes seconds; that a policy's programs hang on no rate is tried of each."""
EVERY = len(EXPERIMENTS) // 2
"""Of a machine's constants each policy tries this one in so many, from another on."""
TIMES = {"wall_s", "lowering_s", "engine_s", "measuring_s", "writing_s"}
RATES = re.compile(r"\.(window|peak|latency|rate|efficiency|internal_peak|sequential_read)$")
"""Fields of a machine that hold for how fast it is, and that programs do not depend on."""


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    REUSE.clear()
    yield
    REUSE.clear()


def program_bytes(program: Program) -> bytes:
    tables = (program.events, program.accesses, program.tags, program.lane_starts)
    return b"".join(table.tobytes() for table in tables) + repr((program.lanes, program.machine, program.meta)).encode()


def as_bytes(prepared: Prepared) -> tuple[bytes, bytes, str]:
    used = repr(prepared.scenario.assumptions.used())
    return plan_bytes(prepared.plan), program_bytes(prepared.program), used


def outcome(experiment: Experiment, settings: Mapping[str, Any]) -> tuple[bytes, bytes, str] | str:
    """What it came to, or why it cannot be."""
    try:
        prepared = prepare(experiment.with_settings(settings))
        prepared.whole  # noqa: B018 (asks for assumptions)
        return as_bytes(prepared)
    except InputError as error:
        return str(error)


def machine_fields(experiment: Experiment) -> dict[str, Any]:
    """Every constant of the machine, by its setting, with another value."""
    _, origins = build_with_origins(experiment.machine.use, Assumptions())
    found = {}
    for origin in origins:
        number = re.match(r"^\d+(\.\d+)?", origin.value)
        if number is None or origin.field in experiment.machine.set:
            continue
        value, unit = float(number[0]), origin.value[number.end() :]
        less = value * 0.75 if "." in number[0] or unit or value > 1 else value
        changed = int(less) if re.fullmatch(r"\d+", origin.value) else less
        found[f"machine.set.{origin.field}"] = f"{changed:g}{unit}" if unit else changed
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_whatever_differs_a_run_comes_to_what_it_comes_to_alone(name: str) -> None:
    experiment = EXPERIMENTS[name]
    position = list(EXPERIMENTS).index(name)
    fields = machine_fields(experiment)
    variations: list[dict[str, Any]] = [{path: fields[path]} for path in list(fields)[position % EVERY :: EVERY]]
    variations += [
        {},
        {"engine": {"name": "embedded", "line_size": 64}},
        {"seed": 3},
        {"workload.output_tokens": 4},
        {"workload.batch": 2},
        {"quantization.dense_format": "int8"},
        {"kv_cache": "near-data"},
        {"assumptions.host-overhead-per-layer": "1 us"},
        {"assumptions.no-such": 1},
    ]
    for settings in variations:
        REUSE.clear()
        alone = outcome(experiment, settings)
        REUSE.clear()
        outcome(experiment, {})
        assert outcome(experiment, settings) == alone, settings


@pytest.mark.parametrize("name", POLICIES)
def test_programs_are_shared_exactly_where_no_costs_were_asked_for(name: str) -> None:
    """Between machines that differ in rates alone; and, whoever asked, between engines."""
    experiment = EXPERIMENTS[name]
    position = list(EXPERIMENTS).index(name)
    first = prepare(experiment)
    program = first.program
    rates = [path for path in machine_fields(experiment) if RATES.search(path)]
    assert len(rates) > 3
    for path in rates[position % 4 :: 4]:
        other = prepare(experiment.with_settings({path: machine_fields(experiment)[path]}))
        assert (other.program is program) == (name not in ASKING), path
    REUSE.clear()
    program = prepare(experiment).program
    assert prepare(experiment.with_settings({"engine": {"name": "embedded", "line_size": 64}})).program is program
    assert prepare(experiment.with_settings({"seed": 7})).program is not program


@pytest.mark.parametrize("name", POLICIES)
def test_results_are_those_of_runs_alone(name: str) -> None:
    """Also of the second and the third that take a program: nobody has changed it."""
    experiment = EXPERIMENTS[name]
    link = next(path for path in machine_fields(experiment) if re.search(r"set\.links\..*peak$", path))
    variations = [{}, {link: "7 GB/s"}, {"engine": {"name": "embedded", "line_size": 64}}, {}]
    together = [numbers(experiment, settings) for settings in variations]
    for settings, found in zip(variations, together, strict=True):
        REUSE.clear()
        assert numbers(experiment, settings) == found
    assert together[0] == together[3]
    assert together[0] != together[1] or together[0] != together[2]


def numbers(experiment: Experiment, settings: Mapping[str, Any]) -> str:
    result = run(experiment.with_settings(settings)).as_dict()
    return json.dumps({key: value for key, value in result.items() if key not in TIMES})


def poisoned(machine: Machine) -> Machine:
    """The same parts with rates, latencies and windows that nobody could reckon with unnoticed."""
    nothing: Any = object()
    return Machine(
        machine.name,
        [replace(unit, window_bytes=nothing) for unit in machine.units.values()],
        [
            replace(each, peak_bytes_per_s=nothing, latency_ps=nothing, efficiency=nothing)
            for each in machine.memories.values()
        ],
        [
            replace(link, peak_bytes_per_s=nothing, efficiency=nothing, latency_ps=nothing)
            for link in machine.links.values()
        ],
        [replace(switch, bytes_per_s=nothing, latency_ps=nothing) for switch in machine.switches.values()],
        peers=[replace(peer, bytes_per_s=nothing, latency_ps=nothing) for peer in machine.peers.values()],
    )


@pytest.mark.parametrize("kv_cache", ["gpu", "near-data"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_lowering_looks_at_no_rate(name: str, kv_cache: str) -> None:
    experiment = EXPERIMENTS[name].with_settings({"kv_cache": kv_cache})
    try:
        scenario = draw(experiment)
    except InputError:
        pytest.skip("a machine without memories near the data")
    policy = policy_of(experiment, scenario)
    policy.plan_steps(0, scenario.demand.steps)
    plan = policy.plan.take()
    programs = [
        lowering_of(replace(scenario, machine=machine), policy.lowering_hooks).lower(plan, 0, scenario.demand.steps)
        for machine in (scenario.machine, poisoned(scenario.machine))
    ]
    assert program_bytes(programs[0]) == program_bytes(programs[1])


class AsLongAsTheLinks(LoweringHook):
    """What a hook from outside may do: its events hang on a rate that no policy asked for."""

    summary = "for a test"

    def after_gate(self, scene: Scene, at: Moments) -> None:
        latency_ps = sum(link.latency_ps for link in scene.machine.links.values())
        scene.sheet.add(COMPUTE, scene.gpu_lane, at.place(scene, scene.gpu_lane), HOOK, busy_ps=latency_ps)


def test_a_hook_may_look_at_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """So runs with hooks share programs between engines only."""
    monkeypatch.setitem(lowering_hooks._entries, "as-long-as-the-links", AsLongAsTheLinks)
    monkeypatch.setattr(policies.get("hobbit"), "lowering_hooks", ("as-long-as-the-links",))
    experiment = EXPERIMENTS["hobbit"]
    latency = next(path for path in machine_fields(experiment) if re.search(r"set\.links\..*latency$", path))
    first = outcome(experiment, {})
    second = outcome(experiment, {latency: "7 us"})
    REUSE.clear()
    assert second == outcome(experiment, {latency: "7 us"}) != first
    program = prepare(experiment).program
    assert prepare(experiment.with_settings({"engine": {"name": "embedded", "line_size": 64}})).program is program


def test_assumptions_count_by_their_value_when_asked() -> None:
    """A setting that only the machine asks for does not part programs; one that the lowering asks for does."""
    experiment = EXPERIMENTS["hobbit"]
    first = prepare(experiment.with_settings({"assumptions.host-link-rate": "30 GB/s"}))
    program = first.program
    second = prepare(experiment.with_settings({"assumptions.host-link-rate": "40 GB/s"}))
    assert second.program is program
    assert {one.name: one.value for one in second.scenario.assumptions.used()}["host-link-rate"] == "40 GB/s"
    third = prepare(experiment.with_settings({"assumptions.host-overhead-per-layer": "5 us"}))
    assert third.program is not program


def test_a_program_of_several_blocks_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = EXPERIMENTS["hobbit"]
    program = prepare(experiment).program
    monkeypatch.setattr("moe_cosim.workloads.blocks.EVENTS_PER_BLOCK", 100)
    for _ in range(2):
        assert len(list(prepare(experiment).blocks)) > 1
    monkeypatch.undo()
    assert prepare(experiment).program is program


def test_models_that_differ_in_their_checkpoint_alone_share_nothing(tmp_path: Path) -> None:
    """Equal architectures, which one file stores at 8 bits."""
    paths = []
    for name, declared in (("plain", None), ("eight", {"quant_method": "fp8"})):
        data = COMMON | {"model_type": "minimax_m2", "num_local_experts": 8, "quantization_config": declared}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(data))
        paths.append({"model": str(path)})
    base = EXPERIMENTS["monde"]
    plain, eight = (outcome(base, path) for path in paths)
    assert plain != eight
    REUSE.clear()
    assert outcome(base, paths[1]) == eight
