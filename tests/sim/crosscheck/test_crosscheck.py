"""The embedded engine against what real SST 16.0.0 said (recorded; live where sst is on the PATH)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from moe_cosim.errors import InputError
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.crosscheck import run as run_module
from moe_cosim.sim.crosscheck.case import fingerprint
from moe_cosim.sim.crosscheck.cases.all_cases import all_cases
from moe_cosim.sim.crosscheck.compare import CrossCheck, compare
from moe_cosim.sim.crosscheck.recording import RecordedCase, Recording
from moe_cosim.sim.crosscheck.run import crosscheck
from moe_cosim.sim.crosscheck.suite import FED
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import COPY


@pytest.fixture(scope="module")
def against_recording() -> CrossCheck:
    return crosscheck()


def test_there_are_cases_enough_and_all_are_recorded() -> None:
    cases = all_cases()
    assert len(cases) >= 30
    assert set(Recording.load(FED.recorded).cases) == set(cases)


def test_the_recording_says_where_it_comes_from() -> None:
    recording = Recording.load(FED.recorded)
    assert recording.sst_version == "16.0.0"
    assert recording.command


def test_the_engines_agree_within_the_bounds(against_recording: CrossCheck) -> None:
    assert against_recording.violations() == []


def test_no_case_is_empty(against_recording: CrossCheck) -> None:
    for case in against_recording.cases:
        assert len(case.event_errors) > 0, case.name
        assert case.sst_ps > 0
        assert case.embedded_ps > 0


def test_a_slower_engine_would_be_noticed() -> None:
    case = all_cases()["read-one-stream"]
    machine, program = case.build()
    said = Recording.load(FED.recorded).of(case.name, fingerprint(machine, program)).timeline
    slower = Timeline(said.start_ps, said.end_ps * 5 // 4)
    found = CrossCheck("16.0.0", False, [compare(case, machine, program, said, slower, 1.0, 1.0)])
    assert len(found.violations()) == 3
    assert found.cases[0].total_error == pytest.approx(0.25, abs=1e-6)


def test_event_errors_are_of_the_durations_of_traffic() -> None:
    case = all_cases()["signal-chain"]
    machine, program = case.build()
    said = Recording.load(FED.recorded).of("signal-chain", fingerprint(machine, program)).timeline
    shifted = Timeline(said.start_ps + 7, said.end_ps + 7)
    same = compare(case, machine, program, said, shifted, 1.0, 1.0)
    assert len(same.event_errors) == 24
    assert same.event_errors.max() == 0.0


def test_cases_are_the_same_every_time() -> None:
    for name, case in list(all_cases().items())[::7]:
        assert fingerprint(*case.build()) == fingerprint(*case.build()), name


def test_a_recording_of_another_program_is_refused(tmp_path: Path) -> None:
    timeline = Timeline(np.array([0]), np.array([5]))
    Recording("16.0.0", "a command", {"a": RecordedCase(timeline, "1234", 0.5)}).save(tmp_path)
    loaded = Recording.load(tmp_path)
    assert loaded.of("a", "1234").timeline.total_ps == 5
    with pytest.raises(InputError, match="recorded of another program"):
        loaded.of("a", "5678")
    with pytest.raises(InputError, match="not recorded"):
        loaded.of("b", "1234")
    with pytest.raises(InputError, match="no such file"):
        Recording.load(tmp_path / "elsewhere")


def test_the_command_prints_the_promised_json() -> None:
    outcome = CliRunner().invoke(main, ["crosscheck", "--recorded", "--json", "read-one-stream", "copy-to-the-gpu"])
    assert outcome.exit_code == 0, outcome.output
    document = json.loads(outcome.stdout)
    assert document["sst_version"] == "16.0.0"
    assert document["live"] is False
    assert [case["name"] for case in document["cases"]] == ["read-one-stream", "copy-to-the-gpu"]
    wanted = {"name", "events", "sst_ps", "embedded_ps", "total_error", "event_error_median", "event_error_p95"}
    assert wanted <= set(document["cases"][0])


def test_an_unknown_case_is_refused() -> None:
    outcome = CliRunner().invoke(main, ["crosscheck", "read-one-steam"])
    assert outcome.exit_code == 2
    assert "did you mean 'read-one-stream'" in outcome.stderr


def test_recording_a_named_case_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline, newer = Timeline(np.array([0]), np.array([5])), Timeline(np.array([0]), np.array([7]))
    before = {"read-one-stream": RecordedCase(timeline, "1", 0.5), "write-one-stream": RecordedCase(timeline, "2", 0.5)}
    Recording("16.0.0", "a command", before).save(tmp_path)
    monkeypatch.setattr(run_module, "_live_version", lambda: "16.0.0")
    monkeypatch.setattr(run_module, "_run_sst", lambda case, machine, program: (newer, 0.1))
    crosscheck(["write-one-stream"], record=True, suite=replace(FED, recorded=tmp_path))
    kept = Recording.load(tmp_path).cases
    assert list(kept) == ["read-one-stream", "write-one-stream"]
    assert [said.timeline.total_ps for said in kept.values()] == [5, 7]
    monkeypatch.setattr(run_module, "_live_version", lambda: "15.1.0")
    with pytest.raises(InputError, match=r"15\.1\.0"):
        crosscheck(["write-one-stream"], record=True, suite=replace(FED, recorded=tmp_path))


def test_the_dimm_machines_cases_use_what_they_are_about() -> None:
    machine, program = all_cases()["policy-trimoe-relayout"].build()
    links = [lane for lane, (unit, _) in enumerate(program.lanes) if unit.endswith(".link")]
    events = program.events
    assert (np.isin(events["lane"], links) & (events["kind"] == COPY)).sum() > 10
    assert machine.peers
