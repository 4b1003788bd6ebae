"""YAML read strictly: no tags, no duplicate keys, no NaN, and errors of one line."""

from __future__ import annotations

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from moe_cosim.errors import InputError, Plain


class _StrictLoader(yaml.SafeLoader):
    """`SafeLoader` that refuses what it would silently accept."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    seen: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice (line {line})", key_node.start_mark)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in `path`; raises `InputError` for anything that is not plain, finite YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", Plain(type(error).__name__), "a readable UTF-8 YAML file") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, where: object) -> dict[str, Any]:
    """As `read_yaml`, for text that came from `where`."""
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # a SafeLoader: constructs plain data only
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InputError(where, "file", Plain(f"{line}{error.problem}"), "plain YAML (no tags, unique keys)") from None
    except yaml.YAMLError as error:
        raise InputError(where, "file", Plain(str(error)), "plain YAML (no tags, unique keys)") from None
    if not isinstance(data, dict):
        raise InputError(where, "file", Plain(type(data).__name__), "a mapping of fields")
    _refuse_odd_values(data, where, "")
    return data


def _refuse_odd_values(node: Any, where: object, path: str) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                raise InputError(where, path or "file", key, "text keys")
            _refuse_odd_values(value, where, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _refuse_odd_values(value, where, f"{path}[{index}]")
    elif isinstance(node, float) and not math.isfinite(node):
        raise InputError(where, path, node, "a finite number")
