"""The program's file and its validity: what was written is read, anything else is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.programs.file import ProgramWriter, load_program, save_program
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import ACCESS, COPY, EVENT, SIGNAL, TAG, WAIT, Program
from tests.workloads.hand_made import decided, lower_plan, routing

TABLES = {"events": EVENT, "accesses": ACCESS, "tags": TAG}
Write = Callable[[Path], Path]

DECIDED = decided(routing([[(0, 1), (2, 3)]], [[(0, 1), (1, 2)]], 4), "monde")
PROGRAM = lower_plan(DECIDED.scenario, DECIDED.plan)


def saved(path: Path, program: Program = PROGRAM) -> Path:
    save_program(program, path / "p.zip")
    return path / "p.zip"


def saved_by_an_older_version(path: Path, program: Program = PROGRAM) -> Path:
    """``moe-cosim program 1``: three .npy tables."""
    header = {"lanes": program.lanes, "machine": program.machine, "meta": program.meta}
    with zipfile.ZipFile(path / "p.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("header.json", json.dumps({"format": "moe-cosim program 1", **header}))
        for name in ("events", "accesses", "tags"):
            archive.writestr(f"{name}.npy", npy(getattr(program, name)))
    return path / "p.zip"


BOTH = pytest.mark.parametrize("write", [saved, saved_by_an_older_version], ids=["new", "old"])


def rewritten(path: Path, name: str, content: bytes | None) -> Path:
    """The file with one member replaced or left out."""
    with zipfile.ZipFile(path) as archive:
        members = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, old in members.items():
            if entry != name:
                archive.writestr(entry, old)
            elif content is not None:
                archive.writestr(entry, content)
    return path


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load_program(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@BOTH
def test_what_was_saved_is_loaded(tmp_path: Path, write: Write) -> None:
    loaded = load_program(write(tmp_path))
    for name, dtype in (("events", EVENT), ("accesses", ACCESS), ("tags", TAG)):
        table = getattr(loaded, name)
        assert table.dtype == dtype
        assert table.tobytes() == getattr(PROGRAM, name).tobytes()
    assert (loaded.lanes, loaded.machine, loaded.meta) == (PROGRAM.lanes, PROGRAM.machine, PROGRAM.meta)
    assert loaded.tokens == PROGRAM.tokens
    assert loaded.lane_starts.tolist() == PROGRAM.lane_starts.tolist()


def test_equal_programs_are_equal_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(saved(tmp_path)) as archive:
        first = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved(tmp_path, load_program(tmp_path / "p.zip"))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == first


def test_records_have_the_documented_sizes() -> None:
    assert (EVENT.itemsize, ACCESS.itemsize, TAG.itemsize) == (40, 24, 16)
    for dtype in (EVENT, ACCESS, TAG):
        assert dtype == dtype.newbyteorder("<")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "nothing there" in refused(tmp_path / "none.zip")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"moe-cosim program 1", b"PK\x03\x04", bytes(range(256)) * 40])
def test_garbage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.zip"
    path.write_bytes(content)
    assert "a file written as 'moe-cosim program 2'" in refused(path)


@BOTH
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_truncated_anywhere(tmp_path: Path, write: Write, share: float) -> None:
    whole = write(tmp_path).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path)


@BOTH
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999), bits=st.integers(1, 255))
def test_a_damaged_byte_is_noticed_or_harmless(tmp_path: Path, write: Write, share: float, bits: int) -> None:
    whole = bytearray(write(tmp_path).read_bytes())
    whole[int(len(whole) * share)] ^= bits
    path = tmp_path / "damaged.zip"
    path.write_bytes(bytes(whole))
    try:
        loaded = load_program(path)
    except InputError:
        return
    assert loaded.events.tobytes() == PROGRAM.events.tobytes()  # a date or an attribute of the archive
    assert loaded.accesses.tobytes() == PROGRAM.accesses.tobytes()
    assert loaded.tags.tobytes() == PROGRAM.tags.tobytes()


class _Trap:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (pytest.fail, ("a pickle was opened",))


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    pickled = npy(np.array([_Trap()], dtype=object), allow_pickle=True)
    assert "allow_pickle" in refused(rewritten(saved_by_an_older_version(tmp_path), "events.npy", pickled))


@pytest.mark.parametrize("name", ["header.json", "events.npy", "accesses.npy", "tags.npy"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"\x93NUMPY\x01\x00", b"\xff\xfe"])
def test_a_member_missing_or_broken(tmp_path: Path, name: str, content: bytes | None) -> None:
    refused(rewritten(saved_by_an_older_version(tmp_path), name, content))


@pytest.mark.parametrize("name", ["header.json", "0"])
@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"[]\n", b'[["events.kind", "|u1", 9, ["<u1", 0]]]\n123', b"\xff"]
)
def test_a_block_missing_or_broken(tmp_path: Path, name: str, content: bytes | None) -> None:
    refused(rewritten(saved(tmp_path), name, content))


def block_with(form: object, rows: int = 3, kind: str = "<u4") -> bytes:
    """A whole block whose column ``events.token`` is another."""
    names = [f"{table}.{name}" for table, dtype in TABLES.items() for name in dtype.names if name != "pad"]
    entries = [(name, "<u4", 3, ["one", 0]) for name in names if name != "events.token"]
    return json.dumps([*entries, ("events.token", kind, rows, form)]).encode() + b"\n" + bytes(12)


@pytest.mark.parametrize(
    ("form", "rows", "kind"),
    [
        (["one", 0], 2, "<u4"),
        (["one", 0], 1 << 50, "<u4"),
        (["<u4", 0], 4, "<u4"),
        (["O", 0], 3, "<u4"),
        (["one", 0], 3, "O"),
        (["few", 0, 1, ["one", 3], ["one", 1]], 3, "<u8"),
        (["few", 0], 3, "<u8"),
        (["halves", 0, ["halves", 0, ["one", 1]]], 3, "<u8"),
        ("one", 3, "<u4"),
        (7, 3, "<u4"),
    ],
)
def test_columns_that_cannot_be(tmp_path: Path, form: object, rows: int, kind: str) -> None:
    lane = replace(PROGRAM, lanes=(("gpu", "main"),))
    load_program(rewritten(saved(tmp_path, lane), "0", block_with(["one", 0])))
    refused(rewritten(saved(tmp_path, lane), "0", block_with(form, rows, kind)))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "moe-cosim program 3"},
        {"format": None},
        {"lanes": 3},
        {"lanes": [["gpu"]]},
        {"lanes": [[1, 2]]},
        {"meta": 7},
    ],
)
def test_a_header_of_another_kind(tmp_path: Path, change: dict[str, Any]) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
    refused(rewritten(path, "header.json", json.dumps(header | change).encode()))


@pytest.mark.parametrize(
    "table",
    [
        np.zeros(3, ACCESS),
        np.zeros(3),
        PROGRAM.events.astype(EVENT.newbyteorder(">")),
        PROGRAM.events.reshape(1, -1),
        np.zeros((), EVENT),
    ],
    ids=["another table", "numbers", "big endian", "two axes", "no axis"],
)
def test_tables_of_another_kind(tmp_path: Path, table: np.ndarray) -> None:
    assert "events" in refused(rewritten(saved_by_an_older_version(tmp_path), "events.npy", npy(table)))


def test_a_table_that_claims_to_be_huge(tmp_path: Path) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(EVENT), "fortran_order": False, "shape": (1 << 50,)}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    refused(rewritten(saved_by_an_older_version(tmp_path), "events.npy", buffer.getvalue()))


def edited(table: str, rows: object, **values: int) -> Program:
    changed = getattr(PROGRAM, table).copy()
    for name, value in values.items():
        changed[name][rows] = value
    return replace(PROGRAM, **{table: changed})


def first(kind: int) -> int:
    return int(np.flatnonzero(PROGRAM.events["kind"] == kind)[0])


INVALID = {
    "an unknown kind": (lambda: edited("events", 0, kind=9), r"events\.kind"),
    "lanes out of order": (lambda: replace(PROGRAM, events=PROGRAM.events[::-1]), r"events\.lane: found unsorted"),
    "an unknown lane": (lambda: edited("events", -1, lane=99), r"events\.lane: found an unknown lane"),
    "a tag past the table": (lambda: edited("events", 0, tag=10**9), r"events\.tag"),
    "accesses past the table": (lambda: edited("events", 0, first_access=10**9, accesses=1), "first_access"),
    "a copy of one end": (lambda: edited("events", first(COPY), accesses=1), "copy: found an odd access"),
    "a copy of unequal ends": (
        lambda: edited("accesses", int(PROGRAM.events["first_access"][first(COPY)]), bytes=1),
        "copy: found unequal ends",
    ),
    "a copy of two reads": (
        lambda: edited("accesses", int(PROGRAM.events["first_access"][first(COPY)]) + 1, op=0),
        "copy: found unequal ends",
    ),
    "a wait for too many": (lambda: edited("events", first(WAIT), count=7), r"wait\.count"),
    "a wait nobody signals": (lambda: edited("events", first(WAIT), token=4_000_000_000), r"wait\.count"),
    "a signal of a huge token": (lambda: edited("events", first(SIGNAL), token=4_000_000_000), r"wait\.count"),
    "an access that neither reads nor writes": (lambda: edited("accesses", 0, op=2), r"accesses\.op"),
    "an access of unknown contents": (lambda: edited("accesses", 0, what=3), r"accesses\.what"),
}


@pytest.mark.parametrize(("make", "message"), INVALID.values(), ids=INVALID)
def test_what_no_engine_could_run_is_refused(make: Callable[[], Program], message: str) -> None:
    PROGRAM.validate()
    with pytest.raises(InputError, match=message):
        make().validate()


def test_blocks_are_read_as_one_program(tmp_path: Path) -> None:
    unsynchronised = PROGRAM.events[PROGRAM.events["kind"] < SIGNAL]
    parts = [PROGRAM, replace(PROGRAM, events=unsynchronised), replace(PROGRAM, events=unsynchronised[:2])]
    writer = ProgramWriter(tmp_path / "p.zip", PROGRAM.lanes, PROGRAM.machine, PROGRAM.meta)
    for part in parts:
        writer.add(part)
    writer.close()
    loaded, whole = load_program(tmp_path / "p.zip"), join_programs(parts)[0]
    for name in TABLES:
        assert getattr(loaded, name).tobytes() == getattr(whole, name).tobytes()


def test_an_empty_program_is_valid(tmp_path: Path) -> None:
    empty = Program((), np.zeros(0, EVENT), np.zeros(0, ACCESS), np.zeros(0, TAG))
    assert empty.tokens == 0
    assert load_program(saved(tmp_path, empty)).lane_starts.tolist() == [0]
