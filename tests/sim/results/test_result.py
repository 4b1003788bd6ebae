"""A result in Python: typed rows, kept and read again, as DataFrames, in a notebook, with its timeline."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import moe_cosim
from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.results.frames import FIGURES
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import BY_NAME, ROWS, Row
from tests.sim.tiny import Tiny, run_parts

WHOLE = {"workload.batch": 2}
PART = {"workload.batch": 2, "window": {"steps": "1:2"}}


@pytest.fixture(params=[WHOLE, PART], ids=["whole", "window"])
def saved(request: pytest.FixtureRequest, tiny: Tiny) -> tuple[Result, Path]:
    return moe_cosim.run(tiny.path, request.param, tiny.folder / "out"), tiny.folder / "out"


def test_nothing_in_a_result_is_a_bare_dict_of_fields(saved: tuple[Result, Path]) -> None:
    result, _ = saved
    for name, value in vars(result).items():
        rows = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
        if name in ROWS and value is not None:
            assert all(type(row) is ROWS[name] for row in rows), name
        else:
            assert not any(isinstance(row, dict | Row) for row in rows), name


def test_a_kept_result_is_read_as_it_was(saved: tuple[Result, Path]) -> None:
    result, folder = saved
    again = Result.load(folder)
    assert again == result
    assert again.as_dict() == result.as_dict() == json.loads((folder / "result.json").read_text())
    assert result.as_dict()["schema_version"] == Result.schema_version
    for column in ("start_ps", "end_ps", "bound", "last_signal"):
        np.testing.assert_array_equal(getattr(again.timeline, column), getattr(result.timeline, column))
    assert again.timeline.program.events.tobytes() == result.timeline.program.events.tobytes()


@pytest.mark.parametrize("name", [*ROWS, "decode_s"])
def test_a_result_with_a_field_less_or_more_is_refused(tiny: Tiny, name: str) -> None:
    """Also inside its rows; and one of another schema version."""
    verify = {"draft_tokens": 1, "acceptance": 0.0}
    moe_cosim.run(tiny.path, {**PART, "policy": {"name": "monde"}, "workload.verify": verify}, tiny.folder / "out")
    path = tiny.folder / "out" / "result.json"
    whole = json.loads(path.read_text())
    wrong = [{**whole, "schema_version": 0}, {key: value for key, value in whole.items() if key != "schema_version"}]
    if name not in ROWS:
        wrong += [{key: value for key, value in whole.items() if key != name}, {**whole, "more": 1}]
    else:
        row = whole[name][0] if isinstance(whole[name], list) else whole[name]
        row = next(iter(row.values())) if name in BY_NAME else row
        for broken in ({**row, "more": 1}, dict(list(row.items())[1:]), 7):
            wrong.append({**whole, name: {"x": broken} if name in BY_NAME else [broken]})
    for tree in wrong:
        path.write_text(json.dumps(tree))
        with pytest.raises(InputError, match=r"result\.json: found") as refused:
            Result.load(path.parent)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "7", "null", '{"schema_version": 1}', "\udcff"])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"result\.json"):
        Result.load(tmp_path)


def test_frames_have_the_columns_of_the_file(saved: tuple[Result, Path]) -> None:
    result, _ = saved
    said = result.as_dict()
    for name in ROWS:
        table = result.to_frame(name)
        assert len(table) == (1 if isinstance(said[name], dict) and name not in BY_NAME else len(said[name] or ()))
        assert set(table.columns) >= {entry.name.removesuffix("_") for entry in fields(ROWS[name])}
    assert result.to_frame().equals(result.to_frame("critical_path"))
    assert result.to_frame("critical_path")["seconds"].sum() == pytest.approx(result.timeline.total_ps / 1e12)
    assert result.to_frame("traffic").set_index("name")["link_bytes"]["kv"] == result.traffic["kv"].link_bytes
    figures = result.to_frame(FIGURES)
    assert len(figures) == 1
    assert figures["decode_tokens_per_s"][0] == result.decode_tokens_per_s
    assert figures["experts.hit_rate"][0] == result.experts.hit_rate


def test_an_empty_table_keeps_its_columns(tiny: Tiny) -> None:
    result = moe_cosim.run(tiny.path, {"workload.output_tokens": 1})
    assert result.expert_classes == []
    assert list(result.to_frame("expert_classes")) == [
        "class", "unit", "runs_per_layer", "tokens_per_layer", "tokens_share",
    ]  # fmt: skip


def test_a_misspelt_table_and_a_missing_pandas_are_one_line(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    result = moe_cosim.run(tiny.path)
    with pytest.raises(InputError, match=r"to_frame: table: found 'critical'.*critical_path"):
        result.to_frame("critical")
    monkeypatch.setitem(sys.modules, "pandas", None)
    for ask in (result.to_frame, result.timeline.to_frame):
        with pytest.raises(InputError, match=r"no pandas; allowed: the extra 'sweep'"):
            ask()


def test_the_timeline_is_that_of_the_run_with_its_program(tiny: Tiny) -> None:
    result = moe_cosim.run(tiny.path, WHOLE)
    prepared, timeline, _ = run_parts(tiny.path, WHOLE)
    np.testing.assert_array_equal(result.timeline.start_ps, timeline.start_ps)
    table = result.timeline.to_frame()
    program = prepared.program
    assert len(table) == len(program.events) == result.events
    for row in (0, len(table) // 2, len(table) - 1):
        event = program.events[row]
        accesses = program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
        assert table["lane"][row] == ".".join(program.lanes[event["lane"]])
        assert table["unit"][row] == program.lanes[event["lane"]][0]
        assert table["bytes"][row] == accesses["bytes"].sum()
        assert table["step"][row] == program.tags["step"][event["tag"]]
        assert table["end_ps"][row] == timeline.end_ps[row]
    waits = table[table["bound"] == "signal latency"]
    assert set(waits["kind"]) == {"wait"}
    assert set(table["kind"].iloc[waits["last_signal"]]) == {"signal"}
    assert f"{len(table):,} events" in repr(result.timeline)
    assert len(repr(result.timeline)) < 80 + len(program.machine)


def test_other_processes_get_the_numbers_alone(tiny: Tiny) -> None:
    result = moe_cosim.run(tiny.path)
    moved = pickle.loads(pickle.dumps(result))
    assert moved == result == result.without_timeline()
    assert len(pickle.dumps(result)) < 100_000
    for bare in (moved, result.without_timeline()):
        with pytest.raises(RunError, match="came without its timeline"):
            _ = bare.timeline


class _Cells(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_headline_path_and_parts(saved: tuple[Result, Path]) -> None:
    result = replace(saved[0], name="<b>&mine")
    shown = _Cells(result._repr_html_())
    assert shown.open == []
    assert "<b>&mine" in shown.texts
    assert f"{result.decode_tokens_per_s:.3f} tokens/s" in shown.texts
    for row in [*result.units, *result.memories, *result.links, *result.critical_path[:3]]:
        assert (row.purpose if hasattr(row, "purpose") else row.name) in shown.texts
    assert any("ratio 1.0000" in text for text in shown.texts) == (result.extrapolation is not None)


@pytest.mark.parametrize(
    ("place", "value"),
    [(("decode_s",), "x"), (("name",), {}), (("units", 0, "name"), {}), (("critical_path", 0, "seconds"), None)],
)
def test_a_result_with_fields_of_other_kinds_is_refused(
    saved: tuple[Result, Path], tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    document = json.loads((saved[1] / "result.json").read_text(encoding="utf-8"))
    node = document
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    (tmp_path / "result.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=f"result.json: found {place[-1]} is "):
        Result.load(tmp_path)
