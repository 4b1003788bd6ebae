"""Changes of fields: mappings and lists as a file holds them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from tests.fuzz.values import TEXTS, any_value, near

Place = tuple[Any, Any]
"""A mapping or a list, and a key or an index of it."""

_MISSPELT: Final = ("nam", "Name", "name ", "batch", "value", "assume", "set", "use", "kind", "source", "__class__")


def changed(random: Random, tree: Any, times: int = 1) -> Any:
    """A copy of `tree` with some changes."""
    found = {"": copy.deepcopy(tree)}
    for _ in range(times):
        places = list(_places(found))
        if not places:  # nothing is left
            break
        random.choice(_CHANGES)(random, *random.choice(places), places)
    return found.get("")


def _places(node: Any, depth: int = 0) -> Iterator[Place]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        if depth:  # the whole tree is a place too, but of no more interest than a field
            yield node, key
        if depth < 40:
            yield from _places(node[key], depth + 1)
    if not depth and "" in keys:
        yield node, ""


def _delete(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    del node[key]


def _rename(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    if isinstance(node, dict):
        node[random.choice((*TEXTS, *_MISSPELT, f"{key}x"))] = node.pop(key)


def _twice(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    if isinstance(node, dict):
        node[random.choice((f"{key}2", *_MISSPELT, random.choice(TEXTS)))] = copy.deepcopy(node[key])
    else:
        node.extend([copy.deepcopy(node[key])] * random.choice((1, 2, 100)))


def _another(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    node[key] = any_value(random)


def _near(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    node[key] = near(random, node[key])


def _from_elsewhere(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    other, there = random.choice(places)
    if there in other if isinstance(other, dict) else there < len(other):
        node[key] = copy.deepcopy(other[there])


def _wrapped(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    for _ in range(random.choice((1, 2, 30))):
        node[key] = [node[key]] if random.random() < 0.5 else {"value": node[key]}


def _more(random: Random, node: Any, key: Any, places: list[Place]) -> None:
    inside = node[key]
    if isinstance(inside, dict):
        inside[random.choice((*TEXTS, *_MISSPELT))] = any_value(random)
    elif isinstance(inside, list):
        inside.append(any_value(random))
    else:
        node[key] = any_value(random)


_CHANGES: Final = (
    _delete,
    _rename,
    _twice,
    _another,
    _another,
    _near,
    _near,
    _near,
    _near,
    _from_elsewhere,
    _wrapped,
    _more,
)
