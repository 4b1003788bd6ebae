"""YAML read strictly: plain data or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.yaml_file import parse_yaml, read_yaml


def test_plain_data_is_read() -> None:
    text = "a: 1\nb: {c: [1.5, x, null, true]}\nd: '2'\n"
    assert parse_yaml(text, "t") == {"a": 1, "b": {"c": [1.5, "x", None, True]}, "d": "2"}


@pytest.mark.parametrize("text", ["1:4", "40:50", "-1:30", "1:30.5", "010", "-07", "0_1", "0o17", "1_000:10"])
def test_no_number_is_read_in_base_60_or_8(text: str) -> None:
    assert parse_yaml(f"a: {text}", "t") == {"a": text}


@pytest.mark.parametrize("text", ["0", "-3", "+7", "1_000", "0x1F", "0b11", "0.5", "00.5", "-1.5e+3", ".25", "1."])
def test_other_numbers_are_as_yaml_has_them(text: str) -> None:
    assert parse_yaml(f"a: {text}", "t") == yaml.safe_load(f"a: {text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", r"t: file: found line 2: key 'a' twice"),
        ("a:\n  b: 1\n  b: 1", r"line 3: key 'b' twice"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: !mine 3", "could not determine a constructor"),
        ("a: .nan", r"t: a: found nan; allowed: a finite number"),
        ("a: {b: [1, .inf]}", r"t: a.b\[1\]: found inf"),
        ("1: 2", r"t: file: found 1; allowed: text keys"),
        ("a: {true: 2}", r"t: a: found True; allowed: text keys"),
        ("- 1\n- 2", r"found list; allowed: a mapping of fields"),
        ("", r"found NoneType; allowed: a mapping"),
        ("just text", "found str; allowed: a mapping"),
        ("a: [1, 2", r"t: file: found line "),
        ("a: 1\n\tb: 2", r"t: file: found line "),
        ("a: 1\n---\nb: 2", r"t: file: found "),
        ("a: *nowhere", "undefined alias"),
        ("a: \x00", "t: file: found "),
        ("{a: 1, [1, 2]: 3}", "t: file: found "),
        ("{a: 1, {b: 1}: 3}", "t: file: found "),
        ("a: 2026-13-45", "t: file: found "),
        ("a: 2026-01-02", "t: a: found "),
    ],
)
def test_anything_else_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_yaml(text, "t")
    assert len(str(error.value).splitlines()) == 1


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(InputError, match="t: file: found "):
        parse_yaml("a: " + "[" * 2000 + "]" * 2000, "t")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    line = ""
    try:
        assert isinstance(parse_yaml(text, "t"), dict)
    except InputError as refused:
        line = str(refused)
    assert len(line.splitlines()) <= 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\xff")
    for path, reason in (
        (tmp_path / "none.yaml", "FileNotFoundError"),
        (tmp_path, "IsADirectoryError"),
        (tmp_path / "latin.yaml", "UnicodeDecodeError"),
    ):
        with pytest.raises(InputError, match=f"file: found {reason}; allowed: a readable UTF-8 YAML file"):
            read_yaml(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("µ: ü\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == {"µ": "ü"}
