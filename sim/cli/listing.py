"""Everything that can be named in an experiment, with one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moe_cosim.errors import InputError


def listing(kind: str | None = None) -> dict[str, dict[str, str]]:
    """{kind: {name: line}} of one kind, or of all."""
    if kind is None:
        return {name: find() for name, find in _KINDS.items()}
    if kind not in _KINDS:
        raise InputError("list", "kind", kind, _KINDS)
    return {kind: _KINDS[kind]()}


def _summaries(registry: Any) -> dict[str, str]:
    return {name: cls.summary for name, cls in registry}


def _policies() -> dict[str, str]:
    from moe_cosim.workloads.policies.base import policies

    return _summaries(policies)


def _routers() -> dict[str, str]:
    from moe_cosim.workloads.routing.routing import routers

    return _summaries(routers)


def _presets() -> dict[str, str]:
    from moe_cosim.workloads.routing.latent import load_preset, preset_names

    return {name: f"routing generator fitted to {load_preset(name).model}" for name in preset_names()}


def _engines() -> dict[str, str]:
    from moe_cosim.sim.engines.base import engines

    return _summaries(engines)


def _allocators() -> dict[str, str]:
    from moe_cosim.workloads.quantization.allocation import allocators

    return _summaries(allocators)


def _formats() -> dict[str, str]:
    from moe_cosim.workloads.quantization.formats import FORMATS

    return {name: f"{found.bits_per_weight:.3f} bits per weight with scales" for name, found in FORMATS.items()}


def _models() -> dict[str, str]:
    from moe_cosim.workloads.models.find import model_names

    return model_names()


def _catalog(kind: str) -> Callable[[], dict[str, str]]:
    def find() -> dict[str, str]:
        from moe_cosim.hw_models.catalog import entries

        return {entry.name: entry.title for entry in entries(kind)}

    return find


def _experiments() -> dict[str, str]:
    from moe_cosim.experiment import experiment_names, load_experiment

    return {name: load_experiment(name).description for name in experiment_names()}


def _reproductions() -> dict[str, str]:
    from moe_cosim.sim.reproduce import reproductions

    return {name: found.title for name, found in reproductions().items()}


_KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "policies": _policies,
    "machines": _catalog("machine"),
    "devices": _catalog("device"),
    "links": _catalog("link"),
    "models": _models,
    "routers": _routers,
    "routing-presets": _presets,
    "formats": _formats,
    "allocators": _allocators,
    "engines": _engines,
    "experiments": _experiments,
    "reproductions": _reproductions,
}
