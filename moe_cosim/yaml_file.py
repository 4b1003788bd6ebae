"""YAML 1.2 read strictly: no tags, no duplicate keys, no NaN, no bombs, and errors of one line."""

from __future__ import annotations

import codecs
import math
import pickle
import re
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.escape import printable
from moe_cosim.plain_file import read_plain
from moe_cosim.yaml_types import CoreDumper, OnlyYaml11Error, read_core_types

_ALLOWED = "plain YAML (no tags, unique keys)"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no text of people has: all but the tab and the ends of lines."""
_MOST_BYTES = 2**22
"""Of a file: what is read of it takes some hundred times as much."""
_MOST_VALUES = 1_000_000
"""In one file, aliases written out: a few lines of aliases of aliases would be billions."""


class _StrictLoader(yaml.SafeLoader):
    """`SafeLoader` that refuses what it would silently accept."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As strict, by libyaml where PyYAML was built with it: ten times as fast, but vague about where text is wrong."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key that is a collection", key_node.start_mark)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice (line {line})", key_node.start_mark)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


for _loader in (_StrictLoader, _FastLoader):
    read_core_types(_loader)
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in `path`; raises `InputError` for anything that is not plain, finite YAML."""
    allowed = "a readable UTF-8 YAML file"
    try:
        data = read_plain(path, _MOST_BYTES)
        return parse_yaml(data.decode(), path)
    except UnicodeDecodeError:
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise InputError(path, "file", Plain("UTF-16" if utf16 else "bytes that are no UTF-8"), allowed) from None
    except OSError as error:
        raise InputError(path, "file", what_failed(error), allowed) from None


def parse_yaml(text: str, where: object) -> dict[str, Any]:
    """As `read_yaml`, for text that came from `where`. The caller may change what it gets."""
    found: dict[str, Any] = pickle.loads(_parsed(text, str(where)))  # bytes of our own making
    return found


def yaml_text(data: Any, flow: bool = False) -> str:
    """`data` as YAML that `parse_yaml`, and readers of YAML 1.1, read back the same."""
    text: str = yaml.dump(data, Dumper=CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=flow)
    return text


@lru_cache(maxsize=256)
def _parsed(text: str, where: str) -> bytes:
    """Pickled, so that each caller gets its own. A sweep reads the same descriptions for every point, and
    parsing them took half of a short run; the key is the text, so that no change goes unseen."""
    try:
        data = _loaded(text)
        if not isinstance(data, dict):
            raise InputError(where, "file", data if data is None else Plain(type(data).__name__), "a mapping of fields")
        _Checker(where).check(data, "")
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InputError(where, "file", Plain(f"{line}{error.problem}"), _ALLOWED) from None
    except OnlyYaml11Error as error:
        raise InputError(where, "file", Plain(error.found), error.allowed) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise InputError(where, "file", Plain(str(error)), _ALLOWED) from None
    except RecursionError:
        raise InputError(where, "file", Plain("collections in each other without end"), _ALLOWED) from None
    return pickle.dumps(data)


def _loaded(text: str) -> Any:
    """Plain data only: both are safe loaders."""
    try:
        return yaml.load(text, Loader=_FastLoader)
    except yaml.MarkedYAMLError:
        return yaml.load(text, Loader=_StrictLoader)  # fails too, and says where


class _Checker:
    """Walks what was read; raises `InputError` at the first odd value."""

    def __init__(self, where: object) -> None:
        self._where = where
        self._left = _MOST_VALUES

    def check(self, node: Any, path: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise InputError(self._where, "file", Plain("aliases of aliases"), f"at most {_MOST_VALUES:,} values")
        if isinstance(node, dict):
            for key, value in node.items():
                if not isinstance(key, str):
                    raise InputError(self._where, path or "file", key, "text keys")
                if printable(key) != key:
                    raise InputError(self._where, path or "file", key, "keys without control characters")
                self.check(value, f"{path}.{key}" if path else key)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                self.check(value, f"{path}[{index}]")
        elif isinstance(node, str) and _CONTROL.search(node):
            raise InputError(self._where, path, node, "text without control characters")
        elif isinstance(node, float) and not math.isfinite(node):
            raise InputError(self._where, path, node, "a finite number")
        elif node is not None and not isinstance(node, str | bool | int | float):
            allowed = "text (in quotes), a number, true, false or nothing"
            raise InputError(self._where, path, Plain(type(node).__name__), allowed)
