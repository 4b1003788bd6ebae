"""Which device of the catalogue somebody means by a GPU's name, and a machine of that device alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from moe_cosim.hw_models import catalog
from moe_cosim.quantity import parse_quantity

_BUSES: Final = {"sxm", "pcie", "nvl"}
_OTHER_CARDS: Final = {"ti", "super", "d", "laptop", "mobile", "max", "mig"}
"""Words that make another card of a name: a device without the word is not meant."""
_SAYS_NOTHING: Final = {"rtx", "gtx"}
_CAPACITY_AGREES: Final = 0.1
"""Makers count gigabytes in powers of ten or of two."""


@dataclass(frozen=True)
class GpuDevice:
    """A device of the catalogue with a GPU."""

    name: str
    path: Path
    capacity_bytes: float
    """Of its own memory."""

    @property
    def words(self) -> set[str]:
        """Words of its name by which somebody may mean it."""
        return set(self.name.split("-")) - _SAYS_NOTHING

    @property
    def chip(self) -> set[str]:
        """The words that a text must have to mean this device."""
        return {word for word in self.words if word not in _BUSES and not _is_capacity(word)}


@cache
def gpus() -> tuple[GpuDevice, ...]:
    """Of the catalogue, by name."""
    return tuple(_gpus())


@lru_cache(maxsize=256)
def find_gpu(text: str) -> GpuDevice | None:
    """The device that `text` names: its catalogue name, a maker's or a driver's ("NVIDIA H100 80GB HBM3").

    Words for another bus, another memory size (10 % apart) or another card (``Ti``, ``D``, ``Laptop``) rule a device
    out; among those left the one that shares most words is meant, then that on SXM, then the larger one.
    """
    named = [gpu for gpu in gpus() if gpu.name == text.strip()]
    said = _words(text)
    sizes = [float(size) * 1e9 for size in re.findall(r"\b(\d+) ?gb\b(?!/s)", text.lower())]
    fitting = named or [gpu for gpu in gpus() if _fits(gpu, said, sizes)]
    return max(fitting, key=lambda gpu: (len(gpu.words & said), "sxm" in gpu.words, gpu.capacity_bytes), default=None)


def _fits(gpu: GpuDevice, said: set[str], sizes: list[float]) -> bool:
    buses = said & _BUSES
    own_buses = gpu.words & _BUSES
    return (
        gpu.chip <= said
        and not (said & _OTHER_CARDS) - gpu.words
        and (not own_buses or not buses or own_buses <= buses)
        and "nvl" not in buses - own_buses
        and all(abs(size - gpu.capacity_bytes) <= _CAPACITY_AGREES * size for size in sizes[:1])
    )


def _words(text: str) -> set[str]:
    apart = re.sub(r"\b(rtx|gtx)(?=[a-z0-9])", r"\1 ", text.lower())
    words = re.findall(r"[a-z0-9]+", apart)
    return {re.sub(r"^sxm\d$", "sxm", re.sub(r"^(\d+)gb$", r"\1", word)) for word in words} - _SAYS_NOTHING


def _is_capacity(word: str) -> bool:
    return word.isdecimal() and len(word) < 4


def _gpus() -> Iterator[GpuDevice]:
    for entry in catalog.entries("device"):
        tree = catalog.read(entry.path, "device")
        for unit in tree.get("units", {}).values():
            if unit.get("kind") == "gpu":
                capacity = tree["memories"][unit["local_memory"]]["capacity"]["value"]
                yield GpuDevice(entry.name, entry.path, parse_quantity(capacity, "bytes", entry.path, "capacity"))
