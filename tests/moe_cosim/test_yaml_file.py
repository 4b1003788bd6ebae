"""YAML read strictly: plain data or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.yaml_file import parse_yaml, read_yaml, yaml_text


def test_plain_data_is_read() -> None:
    text = "a: 1\nb: {c: [1.5, x, null, true]}\nd: '2'\n"
    assert parse_yaml(text, "t") == {"a": 1, "b": {"c": [1.5, "x", None, True]}, "d": "2"}


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("010", "10 (0o10 for the octal number)"),
        ("-07", "-7 (0o7 for the octal number)"),
        ("08", "8"),
        ("1_000", "1000 for the number"),
        ("1_0.5", "10.5 for the number"),
        ("0b11", "3 for the number"),
        ("-0x1F", "-31 for the number"),
        ("0x_", "decimal digits for the number"),
        ("on", "true"),
        ("Yes", "true"),
        ("off", "false"),
        ("NO", "false"),
        ("<<", "the fields themselves"),
    ],
)
def test_what_only_yaml_1_1_reads_otherwise_is_refused_with_its_line(text: str, instead: str) -> None:
    for written in (f"b: 1\na: {text}", f"b: 1\n? {text}\n: 2", f"b: [\n{text}]"):
        with pytest.raises(InputError) as error:
            parse_yaml(written, "t.yaml")
        assert str(error.value).startswith(f"t.yaml: file: found line 2: {text}, which YAML 1.1 and")
        assert f"allowed: {instead}" in str(error.value)
        assert f'or "{text}" in quotes for text' in str(error.value)
    assert parse_yaml(f"a: '{text}'", "t") == {"a": text}


@pytest.mark.parametrize("text", ["1:40", "0:3", "04:00:00", "-1:30", "1:30.5", "190:20:30"])
def test_what_has_a_colon_is_text(text: str) -> None:
    """YAML 1.1 reads numbers of base 60."""
    assert parse_yaml(f"a: {text}", "t") == {"a": text}
    assert parse_yaml(yaml_text({"a": text}), "t") == {"a": text}


@pytest.mark.parametrize("text", ["0", "-3", "+7", "0x1F", "0.5", "00.5", "-1.5e+3", ".25", "1."])
def test_numbers_that_both_versions_know(text: str) -> None:
    assert parse_yaml(f"a: {text}", "t") == yaml.safe_load(f"a: {text}")


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", 1000.0), ("-2.5E-1", -0.25), (".5e1", 5.0), ("0o17", 15), ("TRUE", True), ("~", None)]
)
def test_core_types_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", "t")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["2026-01-02", "1:60", "y", "_1", "1.2.3", "0o8", "e3", "=", "one_2", "tRUE"])
def test_all_else_is_text(text: str) -> None:
    assert parse_yaml(f"a: {text}", "t") == {"a": text}


@given(st.text(st.characters(exclude_categories=["C"]), max_size=6))
@example("1e3")
@example("0o17")
@example("010")
@example("on")
@example("1_0")
def test_text_written_out_is_read_back(text: str) -> None:
    assert parse_yaml(yaml_text({"a": text, "b": [text]}), "t") == {"a": text, "b": [text]}


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
        ("", r"found nothing; allowed: a mapping"),
        ("just text", "found str; allowed: a mapping"),
        ("a: [1, 2", r"t: file: found line "),
        ("a: 1\n\tb: 2", r"t: file: found line "),
        ("a: 1\n---\nb: 2", r"t: file: found "),
        ("a: *nowhere", "undefined alias"),
        ("a: \x00", "t: file: found "),
        ("{a: 1, [1, 2]: 3}", "t: file: found "),
        ("{a: 1, {b: 1}: 3}", "t: file: found "),
        ("a: !!int 1:40", "line 1: '1:40', which is no int"),
        ("a: !!bool on", "line 1: 'on', which is no bool"),
        ("a: !!timestamp 2026-01-02", "could not determine a constructor"),
        ("a: " + "9" * 5000, "t: file: found "),
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
        (tmp_path / "none.yaml", "nothing there"),
        (tmp_path, "Is a directory"),
        (tmp_path / "latin.yaml", "bytes that are no UTF-8"),
    ):
        with pytest.raises(InputError, match=f"file: found {reason}; allowed: a readable UTF-8 YAML file"):
            read_yaml(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("µ: ü\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == {"µ": "ü"}
