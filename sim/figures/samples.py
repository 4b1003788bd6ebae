"""From points of a store to what a figure draws: medians over seeds, each of one version of the code."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from moe_cosim.sim.sweep.query.versions import agree, rank


@dataclass(frozen=True)
class Sample:
    """A finished point, as far as a figure needs it."""

    x: Any
    hue: Any
    values: tuple[float, ...]
    configuration: str
    sources: str
    files: str
    finished_utc: str

    @property
    def y(self) -> float:
        """The first value."""
        return self.values[0]

    @property
    def digests(self) -> dict[str, str]:
        """By component of code and by file: what it was made with."""
        return _digests(self.sources, self.files)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the ends of the middle half (equal to it for one value)."""
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    return median, low, high


def by_place(sample: Sample) -> Hashable:
    """What goes into one median of a line."""
    return sample.hue, sample.x


def by_configuration(sample: Sample) -> Hashable:
    """What goes into one point of a Pareto plot: the seeds of a configuration."""
    return sample.hue, sample.configuration


def by_hue(sample: Sample) -> Hashable:
    """What goes into one distribution."""
    return (sample.hue,)


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


@lru_cache(maxsize=4096)
def _digests(sources: str, files: str) -> dict[str, str]:
    found: dict[str, str] = {**json.loads(sources), **json.loads(files)}
    return found
