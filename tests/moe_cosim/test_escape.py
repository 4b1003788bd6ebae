"""Text of anybody, read back by the language it was written for."""

import ast
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from moe_cosim.errors import InputError, RunError
from moe_cosim.escape import checked_line, markdown, printable, python, shell

ONE_LINE = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" ")).map(str.strip)
MARKS = st.text("*_`~<>[]()&|\\!#;ax ").map(str.strip)


@given(st.text())
def test_printable_is_one_line_and_says_all(text: str) -> None:
    assert len(printable(text).splitlines()) <= 1
    assert "\x1b" not in printable(text)
    assert printable(printable(text)) == printable(text)


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_python_is_the_value(value: object) -> None:
    assert ast.literal_eval(python(value)) == value
    assert "\n" not in python(value)


@given(ONE_LINE | MARKS)
def test_markdown_is_the_text(text: str) -> None:
    cells = MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n|---|---|\n| {markdown(text)} | x |\n")
    inline = [token for token in cells if token.type == "inline"]
    assert [token.content for token in inline if token.content in "abx" and token.content][:2] == ["a", "b"]
    assert "".join(child.content for child in inline[2].children or ()) == " ".join(text.split(" "))
    assert all(child.type in ("text", "text_special") for child in inline[2].children or ())


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_shell_is_one_word_of_one_line(text: str) -> None:
    assert "\n" not in shell(text)
    if "\n" not in text and "\r" not in text:
        assert shlex.split(shell(text)) == [text]


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x1b[31mb", "a\u202eb", "\0"])
def test_a_name_is_one_printable_line(text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        checked_line(text)


def test_an_error_shows_no_control_characters() -> None:
    line = str(InputError("a\x1b[2J\nb", "f\x1b]0;x\x07", "\x9b", "c\x1bd"))
    assert json.dumps(line, ensure_ascii=True).count("\\u00") == 0
    assert str(RunError("fine")) == "fine"
