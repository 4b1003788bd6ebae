"""From points of a store to what a figure draws: medians over seeds, each of one version of the code."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from moe_cosim.sim.sweep.query.pareto import pareto_front
from moe_cosim.sim.sweep.query.versions import agree, rank


@dataclass(frozen=True)
class Sample:
    """A finished point, as far as a figure needs it."""

    x: Any
    y: float
    hue: Any
    configuration: str
    sources: str
    files: str
    finished_utc: str

    @property
    def digests(self) -> dict[str, str]:
        """By component of code and by file: what it was made with."""
        return _digests(self.sources, self.files)


@dataclass(frozen=True)
class Line:
    """One hue: per x the median of y over the seeds, and the middle half of them (equal to it for one seed)."""

    name: str
    x: list[Any]
    median: list[float]
    low: list[float]
    high: list[float]


def by_place(sample: Sample) -> Hashable:
    """What goes into one median of a line."""
    return sample.hue, sample.x


def by_configuration(sample: Sample) -> Hashable:
    """What goes into one point of a Pareto plot: the seeds of a configuration."""
    return sample.hue, sample.configuration


def of_one_version(samples: Sequence[Sample], group: Callable[[Sample], Hashable]) -> list[Sample]:
    """Those that may be drawn: within a group only one digest of every component and file.

    Those of the code at hand come first, then the newest; what does not agree with these is left out.
    """
    digests: dict[Hashable, dict[str, str]] = {}
    kept = []
    for sample in sorted(samples, key=rank, reverse=True):
        so_far = digests.setdefault(group(sample), {})
        if agree(sample.digests, so_far):
            so_far.update(sample.digests)
            kept.append(sample)
    return kept


def apart_by_version(samples: Sequence[Sample]) -> list[Sample]:
    """All of them, with the version in the hue where there are several."""
    several = of_several_versions(samples)

    def version(sample: Sample) -> str:
        found = sample.digests
        return ", ".join(f"{Path(name).name} {found[name][:6]}" for name in several if name in found)

    names = {sample: version(sample) for sample in samples}
    return [
        replace(sample, hue=name if sample.hue is None else f"{sample.hue} ({name})") if name else sample
        for sample, name in names.items()
    ]


def of_several_versions(samples: Sequence[Sample]) -> list[str]:
    """Components and files that the samples have in several versions."""
    found: dict[str, set[str]] = {}
    for sample in samples:
        for name, digest in sample.digests.items():
            found.setdefault(name, set()).add(digest)
    return sorted(name for name, digests in found.items() if len(digests) > 1)


def lines(samples: Sequence[Sample]) -> list[Line]:
    """A line per hue, with the quartiles of y at each x."""
    found = []
    for name in sorted({sample.hue for sample in samples}, key=_order):
        groups: dict[Any, list[float]] = {}
        for sample in samples:
            if sample.hue == name:
                groups.setdefault(sample.x, []).append(sample.y)
        places = sorted(groups)
        quartiles = np.array([np.percentile(groups[place], (25, 50, 75)) for place in places]).reshape(-1, 3)
        low, median, high = quartiles.T.tolist()
        found.append(Line(_name(name), places, median, low, high))
    return found


def scattered(samples: Sequence[Sample]) -> list[Line]:
    """A point per configuration: the medians of x and y over its seeds."""
    groups: dict[tuple[Any, str], list[tuple[float, float]]] = {}
    for sample in samples:
        groups.setdefault((sample.hue, sample.configuration), []).append((sample.x, sample.y))
    found = []
    for name in dict.fromkeys(hue for hue, _ in groups):
        points = sorted(tuple(np.median(group, axis=0)) for (hue, _), group in groups.items() if hue == name)
        x_values, y_values = ([float(point[column]) for point in points] for column in (0, 1))
        found.append(Line(_name(name), x_values, y_values, y_values, y_values))
    return sorted(found, key=lambda line: line.name)


def front(found: Sequence[Line], corner: str) -> list[tuple[Any, float]]:
    """The undominated points towards a corner such as ``upper-left``."""
    points = [(x, y) for line in found for x, y in zip(line.x, line.median, strict=True)]
    kept = pareto_front(points, (corner.endswith("right"), corner.startswith("upper")))
    return sorted(points[index] for index in kept)


def _name(hue: Any) -> str:
    return "" if hue is None else str(hue)


def _order(hue: Any) -> tuple[bool, Any]:
    return (isinstance(hue, str), hue) if hue is not None else (True, "")


@lru_cache(maxsize=4096)
def _digests(sources: str, files: str) -> dict[str, str]:
    found: dict[str, str] = {**json.loads(sources), **json.loads(files)}
    return found
