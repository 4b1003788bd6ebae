"""Everything that can be named in an experiment or a command, with one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, one_line
from moe_cosim.registry import Registry

LEFT_OUT: Final = "left out"

_REGISTRIES: Final = {
    "policies": "moe_cosim.workloads.policies.base:policies",
    "neuron-policies": "moe_cosim.workloads.neurons.policies.base:neuron_policies",
    "routers": "moe_cosim.workloads.routing.routing:routers",
    "trace-formats": "moe_cosim.workloads.routing.readers.trace_format:trace_formats",
    "formats": "moe_cosim.hw_models.formats:formats",
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

    Plug-ins that cannot be used come last, under ``left out``: "kind name" and, as the line, package and reason. Raises
    `InputError` for a kind that there is none of.
    """
    kinds = list(KINDS) if kind is None else [kind]
    if not set(kinds) <= set(KINDS):
        raise InputError("list", "kind", kind, KINDS)
    every = {name: KINDS[name].entries() for name in kinds}
    found = {name: rows for name, rows in every.items() if rows or name == kind}
    left = [one for name in kinds if name in _REGISTRIES for one in _registry(name).left_out()]
    if left:
        found[LEFT_OUT] = {f"{one.kind} {one.name}": f"{one.package}: {one.reason}" for one in left}
    return found


def registry_of(kind: str) -> Registry[Any]:
    """Of a kind of plug-in, by the name of one of them (``policy``)."""
    return _registry(next(plural for plural, found in KINDS.items() if found.name == kind))


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


def _neuron_models() -> dict[str, str]:
    return {
        name: f"{of['hf_id']}, dense with ReLU: a token needs {of['density']:.0%} of the neurons"
        for name, of in _files_of("neurons", "catalog").items()
    }


def _draft_models() -> dict[str, str]:
    drafts = _files_of("verify", "drafts")
    return {name: f"dense, {of['num_hidden_layers']} layers of {of['hidden_size']}" for name, of in drafts.items()}


def _files_of(package: str, folder: str) -> dict[str, dict[str, Any]]:
    """Fields of the YAML files there, by name: what reads them for a run loads the compiler."""
    from moe_cosim.yaml_file import read_yaml

    found = Path(str(files(f"moe_cosim.workloads.{package}"))) / folder
    return {path.stem: read_yaml(path) for path in sorted(found.glob("*.yaml"))}


def _catalog(kind: str) -> Callable[[], dict[str, str]]:
    def find() -> dict[str, str]:
        from moe_cosim.hw_models.catalog import entries

        return {entry.name: entry.title for entry in entries(kind)}

    return find


def _experiments() -> dict[str, str]:
    from moe_cosim.experiment import experiment_names, load_experiment

    return {name: load_experiment(name).description for name in experiment_names()}


def _sweeps() -> dict[str, str]:
    from moe_cosim.sim.sweep.plan.sweep_file import find_sweep, read_sweep, sweep_names

    found = {name: read_sweep(find_sweep(name)) for name in sweep_names()}
    return {
        name: sweep.description or f"over {', '.join([*sweep.variants, *sweep.axes()])}"
        for name, sweep in found.items()
    }


def _cases() -> dict[str, str]:
    from moe_cosim.sim.crosscheck.suite import FED, INDEPENDENT

    return {name: case.says for suite in (FED, INDEPENDENT) for name, case in suite.cases().items()}


@dataclass(frozen=True)
class Kind:
    """Something that there are several of."""

    name: str
    """Of one of them, as ``moe-cosim show`` calls it."""
    entries: Callable[[], dict[str, str]]
    """A line about each, by name."""


KINDS: Final[dict[str, Kind]] = {
    "policies": Kind("policy", _summaries("policies")),
    "neuron-policies": Kind("neuron-policy", _summaries("neuron-policies")),
    "machines": Kind("machine", _catalog("machine")),
    "devices": Kind("device", _catalog("device")),
    "links": Kind("link", _catalog("link")),
    "dram": Kind("dram", _catalog("dram")),
    "isas": Kind("isa", _catalog("isa")),
    "software": Kind("software", _catalog("software")),
    "unit-kinds": Kind("unit-kind", _summaries("unit-kinds")),
    "unit-models": Kind("unit-model", _summaries("unit-models")),
    "models": Kind("model", _models),
    "neuron-models": Kind("neuron-model", _neuron_models),
    "draft-models": Kind("draft-model", _draft_models),
    "model-families": Kind("model-family", _summaries("model-families")),
    "routers": Kind("router", _summaries("routers")),
    "routing-presets": Kind("routing-preset", _presets),
    "trace-formats": Kind("trace-format", _summaries("trace-formats")),
    "formats": Kind("format", _summaries("formats")),
    "allocators": Kind("allocator", _summaries("allocators")),
    "lowering-hooks": Kind("lowering-hook", _summaries("lowering-hooks")),
    "engines": Kind("engine", _summaries("engines")),
    "schedulers": Kind("scheduler", _summaries("schedulers")),
    "experiments": Kind("experiment", _experiments),
    "sweeps": Kind("sweep", _sweeps),
    "reproductions": Kind("reproduction", _reproductions),
    "crosscheck-cases": Kind("crosscheck-case", _cases),
}
"""As ``moe-cosim list`` calls them."""
