"""Which of several versions of the same thing is shown: never two in one number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from moe_cosim.sim.sweep.identity.sources import changed


class Versioned(Protocol):
    """What is of one version of the code."""

    @property
    def sources(self) -> str:
        """Digest by component, as JSON."""

    @property
    def finished_utc(self) -> str:
        """When it was computed, in ISO 8601, by which the newest is told."""


@dataclass(frozen=True)
class Version:
    """Points of one configuration, whatever their seeds, that were run with the same sources."""

    configuration: str
    code: str
    sources: str
    finished_utc: str
    """When the last of them was finished."""


def preferred(versions: Iterable[Version]) -> list[Version]:
    """One version of each configuration: that of the code at hand, where there is one; else the newest.

    The code at hand comes first, so that code that was changed back shows what it computes.
    """
    of: dict[str, list[Version]] = {}
    for version in versions:
        of.setdefault(version.configuration, []).append(version)
    return [each[0] if len(each) == 1 else max(each, key=rank) for each in of.values()]


def rank(item: Versioned) -> tuple[bool, str]:
    """Greater for what is shown rather."""
    return _at_hand(item.sources), item.finished_utc


def agree(digests: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Whether no component has two digests."""
    return all(others.get(component, digest) == digest for component, digest in digests.items())


@cache
def _at_hand(sources: str) -> bool:
    return not changed(json.loads(sources))
