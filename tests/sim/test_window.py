"""Windows of a program, and what is said of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, parse_settings
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.base import Engine, Progress, engines
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.sim.run import run
from moe_cosim.sim.window import Span, extrapolate, spans, window
from moe_cosim.testing.engine.machines import one_memory, unit
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import SIGNAL, WAIT, Program

EXPERIMENT = Experiment.model_validate(
    {
        "name": "window",
        "machine": {"use": "h100-cxl-ndp"},
        "model": "deepseek-v2-lite",
        "routing": {"source": "generator", "preset": "deepseek-v2-lite"},
        "workload": {"prompt_tokens": 4, "output_tokens": 6},
        "policy": {"name": "monde"},
    }
)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(EXPERIMENT)


@pytest.mark.parametrize("text", ["1:4", "40:50", "7"])
def test_a_window_of_the_command_line_is_as_it_was_typed(text: str) -> None:
    assert EXPERIMENT.with_settings(parse_settings([f"window.layers={text}"])).window.layers == text


@pytest.mark.parametrize(("text", "first", "last"), [("3", 3, 3), (5, 5, 5), ("1:4", 1, 4), ("0:0", 0, 0)])
def test_spans_are_first_and_last(text: object, first: int, last: int) -> None:
    experiment = EXPERIMENT.with_settings({"window.steps": text})
    assert spans(experiment.window, "here") == (Span(first, last), None)


@pytest.mark.parametrize("text", ["", "a", "4:1", "1:2:3", "-1", "1:", True, 1.5])
def test_other_spans_are_refused(text: object) -> None:
    with pytest.raises(InputError, match=r"window\.layers: found"):
        spans(EXPERIMENT.with_settings({"window.layers": text}).window, "here")


def test_a_window_keeps_its_events_and_their_bytes(prepared: Prepared) -> None:
    part = window(prepared.program, Span(1, 2), Span(3, 5))
    part.validate()
    tags = part.tags[part.events["tag"]]
    assert set(tags["step"]) == {1, 2}
    assert set(tags["layer"]) == {3, 4, 5}
    whole = prepared.program
    all_tags = whole.tags[whole.events["tag"]]
    inside = np.isin(all_tags["step"], (1, 2)) & np.isin(all_tags["layer"], (3, 4, 5))
    assert len(part.events) == inside.sum()
    wanted = 0
    for event in whole.events[inside]:
        wanted += int(whole.accesses["bytes"][event["first_access"] : event["first_access"] + event["accesses"]].sum())
    assert int(part.accesses["bytes"].sum()) == wanted


def test_the_whole_as_a_window_is_the_program(prepared: Prepared) -> None:
    part = window(prepared.program, Span(0, 10**6), None)
    for name in ("kind", "lane", "tag", "setup_ps", "busy_ps", "accesses", "token", "count"):
        np.testing.assert_array_equal(part.events[name], prepared.program.events[name])
    embedded = engines.get("embedded")()
    whole = embedded.run(prepared.machine, prepared.program)
    np.testing.assert_array_equal(embedded.run(prepared.machine, part).end_ps, whole.end_ps)


def test_waits_for_what_lies_outside_do_not_block(prepared: Prepared) -> None:
    part = window(prepared.program, None, Span(4, 4))
    signals = np.bincount(part.events["token"][part.events["kind"] == SIGNAL], minlength=part.tokens + 1)
    waits = part.events[part.events["kind"] == WAIT]
    np.testing.assert_array_equal(signals[waits["token"]], waits["count"])
    assert engines.get("embedded")().run(prepared.machine, part).total_ps > 0


def test_on_one_engine_the_extrapolation_is_the_run_itself(prepared: Prepared) -> None:
    embedded = engines.get("embedded")()
    timeline, said = extrapolate(prepared.machine, prepared.program, embedded, embedded, Span(1, 2), None)
    assert said.ratio == 1.0
    np.testing.assert_array_equal(timeline.end_ps, embedded.run(prepared.machine, prepared.program).end_ps)


class Slower(Engine):
    """Finds all times `ratio` times as long as the embedded engine does."""

    summary = "for tests"

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def run(self, machine: Machine, program: Program, progress: Progress | None = None) -> Timeline:
        return EmbeddedEngine().run(machine, program, progress).stretched(self.ratio)


@pytest.mark.parametrize("ratio", [1.0003, 0.37, 2.5])
@pytest.mark.parametrize(("steps", "layers"), [(None, Span(0, 3)), (Span(1, 2), None), (Span(2, 2), Span(1, 1))])
def test_an_extrapolated_path_is_labelled_as_the_whole_one(
    prepared: Prepared, ratio: float, steps: Span | None, layers: Span | None
) -> None:
    """Scaled times no longer equal their floors: labels must come from where the times were made."""
    timeline, said = extrapolate(prepared.machine, prepared.program, Slower(ratio), EmbeddedEngine(), steps, layers)
    assert said.ratio == pytest.approx(ratio)
    embedded = EmbeddedEngine().run(prepared.machine, prepared.program)
    assert timeline.total_ps == pytest.approx(ratio * embedded.total_ps)  # a slower engine makes the whole longer
    seen, wanted = (
        {
            (row.unit, row.phase, row.purpose, row.bound): row.share
            for row in critical_path(prepared.machine, prepared.program, times).rows()
        }
        for times in (timeline, embedded)
    )
    assert seen == pytest.approx(wanted, abs=1e-6)


def test_a_window_is_stated_in_the_result() -> None:
    result = run(EXPERIMENT, {"window": {"steps": "1:2", "layers": "0:3"}})
    assert result.extrapolation is not None
    assert result.extrapolation.window == "steps 1:2, layers 0:3"
    assert result.extrapolation.ratio == 1.0
    assert run(EXPERIMENT).extrapolation is None


def test_an_empty_window_is_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match="no event in steps 90:90"):
        window(prepared.program, Span(90, 90), None)
    with pytest.raises(InputError, match=f"^{EXPERIMENT.where}: window: found no event in steps all, layers 90:90"):
        run(EXPERIMENT, {"window.layers": "90"})


def test_a_window_in_which_no_time_passes_is_refused() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).compute("u.l0", 0).signal("u.l0", 0).wait("u.l0", 0).build()
    with pytest.raises(InputError, match="window: found events that take no time"):
        extrapolate(machine, program, Slower(2.0), EmbeddedEngine(), Span(0, 9), None)
