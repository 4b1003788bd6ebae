"""The components that a point is made of: the core, its plug-ins, and what it names of the catalogue.

A component is a kind and a name (``policy monde``, ``device h100-sxm``), or ``core``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.experiment import DEFAULT_ENGINE, Experiment
from moe_cosim.hw_models.merge import nested
from moe_cosim.sim.sweep.identity.code import CORE, core_digest, hooks_of_plugin, plugin_digest, registries
from moe_cosim.sim.sweep.identity.descriptions import (
    Component,
    description_digest,
    is_path,
    named_by,
    named_in,
    named_in_tree,
)
from moe_cosim.sim.sweep.identity.digest import SOURCE_DIGITS, digest
from moe_cosim.workloads.models.hf_config import family_name


def digest_now(component: Component) -> str | None:
    """Of a component as it is here; None where there is none."""
    if component == CORE:
        return core_digest()
    kind, _, name = component.partition(" ")
    return plugin_digest(kind, name) if kind in registries() else description_digest(kind, name)


def changed(sources: Mapping[str, str]) -> list[Component]:
    """Those of the components that are not what they were."""
    return [component for component, was in sources.items() if digest_now(component) != was]


def check_sources(sources: Mapping[str, str], where: object) -> None:
    """Raise `InputError`, naming what has changed, unless every component is as it was when planned."""
    found = changed(sources)
    if found:
        allowed = "the code that it was planned with: plan the sweep again, so that results do not mix"
        raise InputError(where, "sources", Plain(f"other code than planned: {', '.join(found)}"), allowed)


def sources_before_schema_3(version: str, code: str) -> dict[Component, str]:
    """What plans and records of stores of schema 1 and 2 say: one digest of everything, and the version."""
    return {CORE: digest([version, code], SOURCE_DIGITS)}


class Sources:
    """Components of experiments and their digests, as they are now; each is looked at once."""

    def __init__(self) -> None:
        self._found: dict[frozenset[Component], dict[Component, str]] = {}
        self._families: dict[str, str | None] = {}
        self._reached: dict[Component, frozenset[Component]] = {}

    def of(self, experiment: Experiment, files: Iterable[str]) -> dict[Component, str]:
        """Digest by component; `files` are those of the user's that the experiment reads."""
        named = frozenset((*self._named(experiment), *(path for path in files if path.endswith((".yaml", ".yml")))))
        if named not in self._found:
            self._found[named] = self._digests_of(named)
        return self._found[named]

    def _digests_of(self, named: Iterable[Component]) -> dict[Component, str]:
        """Digest by component of these, and of all that they name; a path stands for what the file names."""
        reached = {each for one in named for each in (named_in(one) if is_path(one) else (one,))}
        everything = sorted({CORE}.union(*(self._all(component) for component in reached)))
        return {component: found for component in everything if (found := digest_now(component)) is not None}

    def _named(self, experiment: Experiment) -> list[Component]:
        """What the experiment names itself; paths are left out."""
        names = (
            ("policy" if experiment.neurons is None else "neuron-policy", experiment.policy.get("name")),
            ("engine", experiment.engine_name),
            ("router", experiment.routing.get("source")),
            ("allocator", experiment.quantization.allocation),
            ("machine", experiment.machine.use),
            ("model", experiment.model),
            ("preset", experiment.routing.get("preset")),
            ("software", experiment.software),
            *(("format", value) for name, value in experiment.quantization if name.endswith("_format")),
            *(("format", value) for value in experiment.policy.values()),  # an option may name one
            ("model-family", self._family(experiment.model)),
        )
        named = [f"{kind} {name}" for kind, name in names if isinstance(name, str) and not is_path(name)]
        if not experiment.window.is_whole:  # the rest is extrapolated with its help
            named.append(f"engine {DEFAULT_ENGINE}")
        if experiment.machine.set:
            with contextlib.suppress(MoeCosimError):  # refused when the point runs, with its reason
                named.extend(named_in_tree(nested(experiment.machine.set)))
        return named

    def _family(self, model: str) -> str | None:
        """Of a model by path."""
        if model not in self._families:
            self._families[model] = None
            path = Path(model)
            with contextlib.suppress(MoeCosimError):  # refused when the point runs, with its reason
                if is_path(model):
                    self._families[model] = family_name(path / "config.json" if path.is_dir() else path)
        return self._families[model]

    def _all(self, component: Component) -> frozenset[Component]:
        """It and all that it names, directly or not."""
        if component not in self._reached:
            self._reached[component] = frozenset({component})  # a circle ends here
            inner = (self._all(each) for each in (*named_by(component), *_hooks_of(component)))
            self._reached[component] = frozenset({component}).union(*inner)
        return self._reached[component]


def _hooks_of(component: Component) -> list[Component]:
    kind, _, name = component.partition(" ")
    return [f"lowering-hook {hook}" for hook in hooks_of_plugin(kind, name)] if kind in ("policy", "unit-kind") else []
