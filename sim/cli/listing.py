"""Everything that can be named in an experiment or a command, with one line each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from moe_cosim.errors import InputError, one_line
from moe_cosim.registry import Registry

LEFT_OUT: Final = "left out"

_REGISTRIES: Final = {
    "policies": "moe_cosim.workloads.policies.base:policies",
    "routers": "moe_cosim.workloads.routing.routing:routers",
    "formats": "moe_cosim.workloads.quantization.formats:formats",
    "allocators": "moe_cosim.workloads.quantization.allocation:allocators",
    "model-families": "moe_cosim.workloads.models.family:families",
    "unit-kinds": "moe_cosim.hw_models.units.kinds:unit_kinds",
    "unit-models": "moe_cosim.hw_models.units.described:unit_models",
    "lowering-hooks": "moe_cosim.workloads.lowering.hooks:lowering_hooks",
    "engines": "moe_cosim.sim.engines.base:engines",
    "schedulers": "moe_cosim.sim.batch.base:schedulers",
    "reproductions": "moe_cosim.sim.reproduce.base:registry",
}
"""Kinds of plug-in, and where each is registered."""


def listing(kind: str | None = None) -> dict[str, dict[str, str]]:
    """{kind: {name: line}} of one kind, or of all that have an entry.

    Plug-ins that cannot be used come last, under ``left out``: "kind name" and, as the line, package and reason.
    """
    kinds = list(_KINDS) if kind is None else [kind]
    if not set(kinds) <= set(_KINDS):
        raise InputError("list", "kind", kind, _KINDS)
    every = {name: _KINDS[name]() for name in kinds}
    found = {name: rows for name, rows in every.items() if rows or name == kind}
    left = [one for name in kinds if name in _REGISTRIES for one in _registry(name).left_out()]
    if left:
        found[LEFT_OUT] = {f"{one.kind} {one.name}": f"{one.package}: {one.reason}" for one in left}
    return found


def _registry(kind: str) -> Registry[Any]:
    module, _, name = _REGISTRIES[kind].partition(":")
    found: Registry[Any] = getattr(import_module(module), name)
    return found


def _summaries(kind: str) -> Callable[[], dict[str, str]]:
    return lambda: {name: one_line(getattr(entry, "summary", "not described")) for name, entry in _registry(kind)}


def _reproductions() -> dict[str, str]:
    return {name: found.title for name, found in _registry("reproductions")}


def _presets() -> dict[str, str]:
    from moe_cosim.workloads.routing.latent import load_preset, preset_names

    return {name: f"routing generator fitted to {load_preset(name).model}" for name in preset_names()}


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


_KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "policies": _summaries("policies"),
    "machines": _catalog("machine"),
    "devices": _catalog("device"),
    "links": _catalog("link"),
    "unit-kinds": _summaries("unit-kinds"),
    "unit-models": _summaries("unit-models"),
    "models": _models,
    "model-families": _summaries("model-families"),
    "routers": _summaries("routers"),
    "routing-presets": _presets,
    "formats": _summaries("formats"),
    "allocators": _summaries("allocators"),
    "lowering-hooks": _summaries("lowering-hooks"),
    "engines": _summaries("engines"),
    "schedulers": _summaries("schedulers"),
    "experiments": _experiments,
    "reproductions": _reproductions,
}
