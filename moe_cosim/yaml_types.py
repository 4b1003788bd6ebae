"""The types of plain YAML scalars: the core schema of YAML 1.2.2 (section 10.3), and what it leaves as a trap.

PyYAML knows YAML 1.1 alone, in which ``010`` is 8, ``1:40`` is 100 and ``on`` is true. Under 1.2 they are 10 and
texts. Who writes ``010`` or ``on`` may mean either, so they are refused. ``1:40`` is text, as a span of steps or a
time limit is meant, and a field that takes a number says so. Dates are text, ``1e3`` is a number.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_PREFIX: Final = "tag:yaml.org,2002:"
_TRAP: Final = "!yaml-1.1"

_DIGITS_1_1: Final = r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
_TABLE: Final = (
    # (tag, pattern of the whole scalar, the characters it may begin with); the first that fits counts
    (f"{_PREFIX}null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (f"{_PREFIX}bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (f"{_PREFIX}int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        f"{_PREFIX}float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?=[.eE])(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    (
        _TRAP,
        rf"{_DIGITS_1_1}|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?0[bx][0-9a-fA-F_]+"
        r"|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|<<",
        list("-+.0123456789yYnNoO<"),
    ),
)

RESOLVERS: Final[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}
"""By first character, as PyYAML's loaders want them."""
for _tag, _pattern, _starts in _TABLE:
    for _start in _starts:
        RESOLVERS.setdefault(_start, []).append((_tag, re.compile(rf"(?:{_pattern})\Z")))


class OnlyYaml11Error(ValueError):
    """A scalar that YAML 1.1 and 1.2 read differently."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.found = f"line {line}: {text}, which YAML 1.1 and YAML 1.2 read differently"
        self.allowed = f'{_meant(text)}, or "{text}" in quotes for text'


def _meant(text: str) -> str:
    """What to write for the value that was probably meant."""
    if text == "<<":
        return "the fields themselves (merged mappings are not in YAML 1.2)"
    if text.lower() in ("yes", "on", "no", "off"):
        return "true" if text.lower() in ("yes", "on") else "false"
    plain = text.replace("_", "")
    sign, digits = ("-" if plain[0] == "-" else ""), plain.lstrip("+-")
    if digits[:2] in ("0b", "0x"):
        return f"{sign}{_whole(digits)} for the number"
    if re.fullmatch("0[0-9]+", digits):
        octal = f" (0o{digits.lstrip('0')} for the octal number)" if re.fullmatch("0+[1-7][0-7]*", digits) else ""
        return f"{sign}{digits.lstrip('0') or '0'}{octal}"
    return f"{sign}{digits} for the number"


def _whole(digits: str) -> str:
    try:
        return str(int(digits, 0))
    except ValueError:
        return "decimal digits"


def _int(loader: Any, node: yaml.ScalarNode) -> int:
    text = _scalar(loader, node, "int")
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _float(loader: Any, node: yaml.ScalarNode) -> float:
    text = _scalar(loader, node, "float")
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return _scalar(loader, node, "bool").lower() == "true"


def _scalar(loader: Any, node: yaml.ScalarNode, kind: str) -> str:
    """The text of `node`, checked again: an explicit ``!!int`` may stand before anything."""
    text: str = loader.construct_scalar(node)
    if not any(tag == _PREFIX + kind and pattern.match(text) for tag, pattern in RESOLVERS.get(text[:1], ())):
        raise yaml.constructor.ConstructorError(None, None, f"{text!r}, which is no {kind}", node.start_mark)
    return text


def _trap(loader: Any, node: yaml.ScalarNode) -> None:
    raise OnlyYaml11Error(loader.construct_scalar(node), node.start_mark.line + 1)


def read_core_types(loader: Any) -> None:
    """Make the loader class `loader` read the types above, and no others."""
    loader.yaml_implicit_resolvers = RESOLVERS
    safe = yaml.SafeLoader.yaml_constructors
    kept = {f"{_PREFIX}{name}": safe[f"{_PREFIX}{name}"] for name in ("null", "str", "seq", "map")}
    numbers = {f"{_PREFIX}int": _int, f"{_PREFIX}float": _float, f"{_PREFIX}bool": _bool}
    loader.yaml_constructors = {**kept, **numbers, _TRAP: _trap, None: safe[None]}


class CoreDumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would read as something else."""


CoreDumper.yaml_implicit_resolvers = {
    start: [*yaml.SafeDumper.yaml_implicit_resolvers.get(start, []), *RESOLVERS.get(start, [])]
    for start in {*yaml.SafeDumper.yaml_implicit_resolvers, *RESOLVERS}
}
