"""The suite in which SST is told no shares: against what SST 16.0.0 said of it (recorded)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from moe_cosim.sim.cli.main import main
from moe_cosim.sim.crosscheck.case import fingerprint
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine
from moe_cosim.sim.crosscheck.compare import CrossCheck
from moe_cosim.sim.crosscheck.independent.random_cases import SEEDS, random_program
from moe_cosim.sim.crosscheck.recording import Recording
from moe_cosim.sim.crosscheck.run import crosscheck
from moe_cosim.sim.crosscheck.suite import FED, INDEPENDENT

_BEYOND = {
    *("hbm3-limited-beside-free", "hbm3-long-beside-short"),
    *("hbm3-three-operands",),
    *("hbm3-short-range-few-channels", "activations-there-and-back"),
    *("gpu-waits-for-ndp",),
}
"""A line for each reason."""


@pytest.fixture(scope="module")
def against_recording() -> CrossCheck:
    return crosscheck(suite=INDEPENDENT)


def test_forty_cases_and_more_are_recorded_and_none_is_fed() -> None:
    cases = INDEPENDENT.cases()
    assert len(cases) >= 40
    runs = {run.name for case in cases.values() for run in case.runs}
    assert set(Recording.load(INDEPENDENT.recorded).cases) == runs
    for case in cases.values():
        assert case.memory != "shares"
        assert case.why
    assert len(SEEDS) == len(set(SEEDS))


def test_no_other_case_differs_by_more_than_its_bound(against_recording: CrossCheck) -> None:
    """What is beyond its bound is so for a reason that docs/agreement.md names."""
    bound = against_recording.bounds.total
    assert {case.name for case in against_recording.cases if abs(case.total_error) > bound} <= _BEYOND
    assert float(np.median(against_recording.pooled_errors)) < 0.013
    assert float(np.quantile(against_recording.pooled_errors, 0.95)) < 0.13
    assert float(np.quantile(against_recording.refreshed_errors, 0.95)) < 0.23


def test_events_are_compared_without_refreshes_and_totals_with_them(against_recording: CrossCheck) -> None:
    recording = Recording.load(INDEPENDENT.recorded)
    for case in INDEPENDENT.cases().values():
        assert (len(case.runs) == 1) == (case.memory == "timing"), case.name
        for run, refreshed in zip(case.runs, (case.memory != "timing", False), strict=False):
            machine, _ = run.build()
            found = [memory.dram.controller.refresh != "off" for memory in machine.memories.values() if memory.dram]
            assert set(found) == {refreshed}, run.name
    by_name = {case.name: case for case in against_recording.cases}
    one = by_name["hbm3-read-one-stream"]
    assert one.sst_ps == recording.cases["hbm3-read-one-stream"].timeline.total_ps
    assert one.event_ps.tolist() == [recording.cases["hbm3-read-one-stream.unrefreshed"].timeline.total_ps]
    said = against_recording.as_dict()
    assert said["refreshed_event_error_p95"] > said["event_error_p95"]
    assert "refreshed_event_error_p95" not in by_name["ddr5-no-refresh-read-one-stream"].as_dict()


def test_memory_and_links_decide(against_recording: CrossCheck) -> None:
    for case in against_recording.cases:
        assert case.memory_bound_share >= 0.8, case.name


def test_no_share_was_measured_and_stock_timing_has_no_refresh() -> None:
    for case in list(INDEPENDENT.cases().values())[::5]:
        machine, _ = case.build()
        for memory in machine.memories.values():
            if memory.dram is not None:
                assert memory.dram.measured_read is None, case.name
                assert case.memory != "timing" or memory.dram.controller.refresh == "off"


def test_other_timings_make_another_recording_necessary() -> None:
    machine, program = INDEPENDENT.cases()["ddr5-read-one-stream"].build()
    other, _ = INDEPENDENT.cases()["hbm3-read-one-stream"].build()
    assert fingerprint(machine, program, told_dram=True) != fingerprint(other, program, told_dram=True)


def test_a_random_program_is_its_seeds() -> None:
    machine = catalog_machine("h100-cxl-ndp")()
    once, again, other = (random_program(machine, seed) for seed in (3, 3, 4))
    assert once.events.tobytes() == again.events.tobytes()
    assert once.accesses.tobytes() == again.accesses.tobytes()
    assert once.accesses.tobytes() != other.accesses.tobytes()
    once.validate()
    reads = np.sort(once.accesses["address"])
    assert (np.diff(reads) > 0).all(), "every access has a place of its own"


def test_the_command_says_which_suite_and_what_decides() -> None:
    name = "hbm3-read-one-stream"
    outcome = CliRunner().invoke(main, ["crosscheck", "--independent", "--recorded", "--json", name])
    document = json.loads(outcome.stdout)
    assert document["suite"] == INDEPENDENT.name
    assert document["cases"][0]["memory"] == "commands"
    assert 0.8 <= document["cases"][0]["memory_bound_share"] <= 1.0
    outcome = CliRunner().invoke(main, ["crosscheck", "--recorded", "--json", "read-one-stream"])
    document = json.loads(outcome.stdout)
    assert document["suite"] == FED.name
    assert document["cases"][0]["memory_bound_share"] > 0.9


def test_a_case_of_the_other_suite_is_refused() -> None:
    outcome = CliRunner().invoke(main, ["crosscheck", "--independent", "--recorded", "read-one-stream"])
    assert outcome.exit_code == 2
    assert "hbm3-read-one-stream" in outcome.stderr
