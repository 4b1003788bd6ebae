"""Stores that somebody else could write to: links laid in them, and records forged with right checksums."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from moe_cosim import extras
from moe_cosim.errors import InputError, MoeCosimError
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.sim.sweep.identity.sources import changed
from moe_cosim.sim.sweep.plan.plan import SweepPlan, id_of
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.whole_file import write_whole


@pytest.fixture
def store(computed: tuple[Store, SweepPlan], tmp_path: Path) -> Store:
    shutil.copytree(computed[0].path, tmp_path / "store")
    return Store.open(tmp_path / "store")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("mine", encoding="utf-8")
    return path


def first(store: Store) -> PointRecord:
    return next(found for _, found in store.records() if isinstance(found, PointRecord))


def file_of(store: Store, point_id: str) -> Path:
    return store.path / "points" / point_id[:2] / f"{point_id}.json.gz"


def forge(store: Store, **changes: Any) -> str:
    """A finished point's record with other fields and the checksum that they have; the point."""
    record = first(store)
    body = json.dumps({**vars(record), **changes}).encode()
    head = json.dumps({"schema": 3, "sha256": hashlib.sha256(body).hexdigest()}).encode()
    file_of(store, record.point_id).write_bytes(gzip.compress(head + b"\n" + body + b"\n"))
    return record.point_id


def test_a_link_where_a_file_is_written_first_is_replaced(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "aside").mkdir()
    write_whole(tmp_path / "file", b"probe", tmp_path / "aside")
    seen: list[Path] = []
    real = os.rename

    def planted(source: Any, target: Any) -> None:
        seen.append(Path(source))
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", planted)
        write_whole(tmp_path / "file", b"again", tmp_path / "aside")
    seen[0].symlink_to(victim)  # the name that the next writing uses
    write_whole(tmp_path / "file", b"new", tmp_path / "aside")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["points", "failed", "plans", "parts", "aside", "damaged", "claims", "store.json"])
def test_a_store_with_a_link_in_it_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    moved = tmp_path / "elsewhere"
    if (store.path / name).exists():
        (store.path / name).rename(moved)
    (store.path / name).symlink_to(moved)
    for opened in (Store.open, Store.create):
        with pytest.raises(InputError, match="found a link"):
            opened(store.path)


def test_a_linked_group_of_points_is_neither_read_nor_written(store: Store, tmp_path: Path) -> None:
    record = first(store)
    group = file_of(store, record.point_id).parent
    group.rename(tmp_path / "elsewhere")
    group.symlink_to(tmp_path / "elsewhere")
    before = {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}
    assert record.point_id not in store.finished_ids()
    with pytest.raises(OSError, match="is a link"):
        store.write(record)
    assert {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()} == before


@pytest.mark.parametrize("kind", ["link", "endless", "pipe"])
def test_a_point_that_is_no_file_is_damaged(store: Store, tmp_path: Path, kind: str) -> None:
    record = first(store)
    path = file_of(store, record.point_id)
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere" if kind == "link" else "/dev/zero")
    assert Tables(store).damaged == [record.point_id]
    assert store.record(record.point_id) is None
    assert store.set_damaged_aside([record.point_id]) == [record.point_id]


def test_a_small_file_that_unpacks_to_much_is_damaged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_file, "_MOST_BYTES", 2**20)
    record = first(store)
    file_of(store, record.point_id).write_bytes(gzip.compress(b" " * 2**22))
    assert Tables(store).damaged == [record.point_id]


FORGED: dict[str, dict[str, Any]] = {
    "status": {"status": "well"},
    "no result": {"result": None},
    "experiment": {"experiment": [1]},
    "experiment's keys": {"experiment": {"workload": {"batch": [[[]]]}, "": 1}, "wall_s": "x"},
    "files": {"files": {"a": 1}},
    "sources": {"sources": {"a": None}},
    "time": {"wall_s": float("inf")},
    "no number": {"result": {"units": [], "decode_tokens_per_s": float("nan")}},
    "no number of a field": {"experiment": {"seed": float("-inf")}},
    "no time": {"wall_s": -1},
    "date": {"finished_utc": "\x1b[2J"},
    "units": {"result": {"units": {"name": 1}}},
    "unit": {"result": {"units": [{"busy_s": 1}]}},
    "path": {"result": {"critical_path": [{"unit": "gpu"}]}},
    "assumptions": {"result": {"assumptions": [7]}},
    "unknown field": {"more": 1},
    "error": {"error": {"a": 1}},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_forged_record_is_damage(store: Store, changes: dict[str, Any]) -> None:
    point_id = forge(store, **changes)
    assert Tables(store).damaged == [point_id]
    assert store.record(point_id) is None
    assert collect(store).damaged == [point_id]


@pytest.mark.parametrize("component", ["<script>", "device ../../x", "policy x", "", "core core", "device \0"])
def test_components_that_nobody_has_are_changed(store: Store, component: str) -> None:
    forge(store, sources={component: "0" * 16})
    assert Tables(store).left_out == 1
    assert changed({component: "0" * 16}) == [component]


def test_parts_that_are_no_files_or_hold_too_much_are_damaged(store: Store) -> None:
    folder, name = store.path / "parts", f"part-{hashlib.sha256(b'').hexdigest()}.parquet"
    os.mkfifo(folder / name)
    assert collect(store).damaged == [name]
    text = extras.load("pyarrow").table({"point_id": ["a" * 32] * 2_000_000, "record": ["{}"] * 2_000_000})
    buffer = io.BytesIO()
    extras.load("pyarrow.parquet").write_table(text, buffer)
    name = f"part-{hashlib.sha256(buffer.getvalue()).hexdigest()}.parquet"
    (folder / name).write_bytes(buffer.getvalue())
    assert name in Tables(store).damaged


def test_a_number_beyond_64_bits_is_told(store: Store) -> None:
    point_id = forge(store, result={"units": [], "events": 2**70})
    ((events,),) = Tables(store).query(f"SELECT events FROM results WHERE point_id = '{point_id}'").fetchall()
    assert events == str(2**70)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**53 + 1])
def test_a_large_number_among_fractions_is_told_as_near_as_can_be(store: Store, number: int) -> None:
    point_id = forge(store, result={"units": [], "decode_tokens_per_s": number})
    assert collect(store).damaged == []
    query = f"SELECT decode_tokens_per_s FROM results WHERE point_id = '{point_id}'"
    assert Tables(store).query(query).fetchall() == [(float(number),)]


PLANS: dict[str, Any] = {
    "name": {"name": {}},
    "line end in a name": {"name": "a\nb"},
    "axes": {"axes": [1]},
    "bases": {"bases": []},
    "sources": {"sources": {"a": 1}},
    "count": {"duplicates": "x"},
    "points": [[1]],
    "point": [["x", {}, ""]],
    "settings": [["a" * 32, [], ""]],
    "variant": [["a" * 32, {}, "none"]],
}


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
def test_a_forged_plan_is_refused(store: Store, changes: Any) -> None:
    plan = store.plan(store.plan_ids()[0])
    header = plan.header() | (changes if isinstance(changes, dict) else {})
    points = changes if isinstance(changes, list) else [[each.id, each.settings, each.variant] for each in plan.points]
    name = id_of(header, points)
    text = "\n".join(json.dumps(each) for each in (header, *points)) + "\n"
    (store.path / "plans" / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    for read in (store.plan, store.outline):
        with pytest.raises(InputError, match="plan: found a damaged file"):
            read(name)


PARTS: dict[str, dict[str, list[Any]] | None] = {
    "no Parquet": None,
    "other columns": {"x": [1]},
    "other kinds": {"point_id": [1], "record": [2], "configuration": [[1]]},
    "metric of another kind": {"point_id": ["a" * 32], "record": ["{}"], "configuration": ["x"], "seed": [{"a": 1}]},
    "no record": {"point_id": ["a" * 32], "record": ["{}"], "configuration": ["x"]},
    "no record of an older kind": {"point_id": ["a" * 32], "record": ["{}"]},
}


@pytest.mark.parametrize("columns", PARTS.values(), ids=PARTS)
def test_a_forged_part_is_one_line_or_damaged(store: Store, columns: dict[str, list[Any]] | None) -> None:
    collect(store)
    buffer = io.BytesIO(b"junk")
    if columns is not None:
        extras.load("pyarrow.parquet").write_table(extras.load("pyarrow").table(columns), buffer)
    data = buffer.getvalue()
    (store.path / "parts" / f"part-{hashlib.sha256(data).hexdigest()}.parquet").write_bytes(data)
    for ask in (lambda: Tables(store), lambda: collect(store), lambda: store.record("a" * 32), store.finished_ids):
        with contextlib.suppress(MoeCosimError):
            ask()
