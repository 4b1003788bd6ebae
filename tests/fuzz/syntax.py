"""Changes of text: what YAML and JSON can say beyond fields, and what only looks like them."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

import yaml

from tests.fuzz.damage import damaged
from tests.fuzz.trees import changed
from tests.fuzz.values import DIGITS

_BOMB: Final = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
)
_MERGES: Final = "\n".join(
    ["m0: &m0 {k0: 1, j0: 1}"] + [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: 1}}" for n in range(1, 25)]
)
_LINES: Final = (
    *(
        "!!python/object/apply:os.mkdir [PWNED]",
        "x: !!python/object/apply:os.mkdir [PWNED]",
        "x: !!python/name:os.mkdir",
    ),
    *(
        "x: !!binary aGVsbG8=",
        "x: !!set {a, b}",
        "x: !!timestamp 2001-01-01",
        "x: !custom {a: 1}",
        "%TAG ! tag:x,2000:",
    ),
    *("x: &a [*a]", "x: *undefined", "<<: {name: merged}", "x: &a {b: 1}\n<<: *a", _BOMB, _MERGES, "? [a, b]\n: c"),
    *("---\nname: second", "...", "\ttab: 1", "x: 'unclosed", 'x: "\\ud800"', 'x: "\\x00"', "x: @at", "x: %percent"),
    *(
        "x: 010",
        "x: 1:40",
        "x: on",
        "x: 1e3",
        "x: 0b1",
        "x: ~",
        "x: 2001-01-01",
        "x: .inf",
        "x: .nan",
        "? x",
        "- x",
        "[]",
    ),
    *("x: " + "[" * 2_000, "x: " + "{a: " * 1_000, "x: " + "- " * 1_000, "x: " + "9" * 5_000, "x: |\n  text", "{" * 50),
    *("x" * 100_000 + ": 1", "x: " + "y" * 200_000, "name: twice", "# " + "c" * 10_000, "x: [" + "1, " * 20_000 + "]"),
)
_JSON: Final = (
    *("[" * 100_000, '{"a":' * 100_000, "[]", "1", '"x"', "null", "", "{}", "{} {}", "{'a': 1}", '{"a": 1,}', "{/**/}"),
    *('{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"a": 1e999}', '{"a": -Infinity}', "\ufeff{}"),
)


def yaml_file(random: Random, tree: Any) -> bytes:
    """A YAML file of `tree`, most often with one thing wrong with it, sometimes with two or three."""
    times, as_text = _times(random)
    text = digits(yaml.safe_dump(changed(random, tree, times), sort_keys=False, allow_unicode=random.random() < 0.5))
    if as_text:
        text = _with_line(random, text)
    return _encoded(random, text)


def json_file(random: Random, tree: Any) -> bytes:
    """The same as JSON."""
    times, as_text = _times(random)
    text = digits(json.dumps(changed(random, tree, times), indent=random.choice((None, 2))))
    if as_text:
        text = random.choice((*_JSON, _twice_the_key(text), text + text, text[: random.randrange(len(text) + 1)]))
    return _encoded(random, text)


def digits(text: str) -> str:
    """With the integers of 5,000 digits that `DIGITS` stands for, no matter how it is quoted."""
    for quoted in (f'"{DIGITS}"', f"'{DIGITS}'", DIGITS):
        text = text.replace(quoted, "9" * 5_000)
    return text


def _times(random: Random) -> tuple[int, bool]:
    """(changes of fields, whether the text is changed too)."""
    return random.choice(((1, False),) * 6 + ((2, False), (3, False), (0, True), (0, True), (1, True)))


def _with_line(random: Random, text: str) -> str:
    lines = text.splitlines()
    lines.insert(random.choice((0, len(lines), random.randrange(len(lines) + 1))), random.choice(_LINES))
    return "\n".join(lines) + "\n"


def _twice_the_key(text: str) -> str:
    return text.replace("{", '{"model_type": "mixtral", ', 1)


def _encoded(random: Random, text: str) -> bytes:
    how = random.randrange(40)
    if how == 0:
        return text.encode("utf-16", "replace")
    if how == 1:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
    if how == 2:
        return text.encode("latin-1", "replace")
    if how == 3:
        return text.replace("\n", "\r\n").encode("utf-8", "surrogatepass")
    if how < 7:
        return damaged(random, text.encode("utf-8", "surrogatepass"))
    return text.encode("utf-8", "surrogatepass")
