"""The answer, what bounds it, and what might move it: first wherever a result is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

import moe_cosim
from moe_cosim.sim.results.first_lines import answer, bound, not_varied
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import AssumptionRow, PathRow
from tests.sim.tiny import Tiny, cli


@pytest.fixture
def result(tiny: Tiny) -> Result:
    return moe_cosim.run(tiny.path, keep=())


def _path(*rows: tuple[str, str, str, str, float]) -> list[PathRow]:
    """Of unit, phase, purpose, bound and share."""
    return [PathRow(unit, phase, purpose, by, 1, 1e-12, share) for unit, phase, purpose, by, share in rows]


def test_the_answer_is_of_decode_where_there_is_one(result: Result) -> None:
    assert result.energy is not None
    energy = replace(result.energy, joules_per_token=3.0, decode_joules_per_token=0.25)
    asked = replace(result, decode_tokens_per_s=45.678, end_to_end_tokens_per_s=12.5, energy=energy)
    assert answer(asked) == "45.68 tokens/s in decode, 250 mJ a token"
    assert answer(replace(asked, decode_tokens_per_s=None)) == "12.5 tokens/s, 3 J a token"
    assert answer(replace(asked, energy=None)) == "45.68 tokens/s in decode"


def test_decode_is_bound_by_the_largest_part_of_its_own_path(result: Result) -> None:
    path = _path(
        ("gpu.dma", "prefill", "move weights", "traffic", 0.6),
        ("ndp.core", "decode", "expert", "compute", 0.2),
        ("gpu.sm", "decode", "expert", "compute", 0.16),
        ("gpu.sm", "decode", "host", "compute", 0.04),
    )
    found = replace(result, critical_path=path)
    assert bound(found) == "ndp.core (expert, compute), 50% of decode's critical path"
    whole = bound(replace(found, decode_tokens_per_s=None))
    assert whole.startswith("gpu.dma (move weights, traffic; busiest is ")
    assert whole.endswith("% of its peak), 60% of the critical path")


def test_much_software_is_said_with_what_it_bounds(result: Result) -> None:
    def said(software: float) -> str:
        rows = (("gpu.sm", "decode", "host", "compute", software), ("ndp.core", "decode", "expert", "compute", 0.5))
        return bound(replace(result, critical_path=_path(*rows)))

    eager = "software (eager; another: --set software=ideal)"
    assert said(0.5 / 9 - 1e-3) == "ndp.core (expert, compute), 90% of decode's critical path"
    assert said(0.25) == f"ndp.core (expert, compute), 67% of decode's critical path; {eager}, 33%"
    assert said(1.5) == f"{eager}, 75% of decode's critical path"


def test_a_path_without_tags_is_bound_too(result: Result) -> None:
    found = replace(result, critical_path=_path(("gpu.sm", "", "", "compute", 1.0)))
    assert bound(found) == "gpu.sm (compute), 100% of the critical path"
    assert bound(replace(result, critical_path=[])) == "nothing"


def test_what_nobody_varied_is_said_with_its_cost(result: Result) -> None:
    rows = [AssumptionRow("a", 1, [1, 2], ""), AssumptionRow("b", 5, [1, 9], ""), AssumptionRow("c", "x", ["x"], "")]
    assert not_varied(replace(result, assumptions=rows)) == (
        "not varied; --sensitivity varies 2 assumptions, in 3 runs"
    )


def test_every_view_of_a_result_begins_with_them(tiny: Tiny) -> None:
    printed = cli("run", tiny.path, "--out", tiny.folder / "out").stdout.splitlines()
    found = Result.load(tiny.folder / "out")
    said = [f"answer: {answer(found)}", f"bound by: {bound(found)}", f"moved most by: {not_varied(found)}"]
    assert printed[:3] == said
    summary = (tiny.folder / "out" / "summary.md").read_text().splitlines()
    assert [line.replace("\\", "") for line in summary[2:5]] == [f"- {line}" for line in said]
    assert [line.removesuffix("<br>").replace("&#39;", "'") for line in found._repr_html_().splitlines()[1:4]] == said
