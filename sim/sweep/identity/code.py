"""Digests of code: of what every run uses, and of each plug-in apart.

They are taken once per process, as code is loaded once per process.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import moe_cosim
from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.registry import Registry
from moe_cosim.sim.sweep.identity.digest import SOURCE_DIGITS, file_digest
from moe_cosim.sim.sweep.identity.imports import PACKAGE, closure, file_of, imported_by

CORE: Final = "core"
"""What every run uses: `moe_cosim.sim.run` and all that it imports. Plug-ins are looked up by name, not imported."""

_ROOT: Final = Path(moe_cosim.__file__).parent


@cache
def registries() -> dict[str, Registry[Any]]:
    """Registries of plug-ins that decide numbers, by what a component of theirs is called."""
    # imported here: they bring Numba, and a look at a store is to be quick
    from moe_cosim.hw_models.formats import formats
    from moe_cosim.hw_models.units.described import unit_models
    from moe_cosim.hw_models.units.kinds import unit_kinds
    from moe_cosim.sim.engines.base import engines
    from moe_cosim.workloads.lowering.hooks import lowering_hooks
    from moe_cosim.workloads.models.family import families
    from moe_cosim.workloads.neurons.policies.base import neuron_policies
    from moe_cosim.workloads.policies.base import policies
    from moe_cosim.workloads.quantization.allocation import allocators
    from moe_cosim.workloads.routing.routing import routers

    return {
        "policy": policies,
        "neuron-policy": neuron_policies,
        "engine": engines,
        "router": routers,
        "allocator": allocators,
        "unit-model": unit_models,
        "unit-kind": unit_kinds,
        "format": formats,
        "model-family": families,
        "lowering-hook": lowering_hooks,
    }


@cache
def core_digest() -> str:
    """Of all code but plug-ins; read once in a process."""
    return _digest_of(_paths(_core()))


def plugin_digest(kind: str, name: str) -> str | None:
    """Of the plug-in `name` without what is in the core; None where there is no such plug-in or all of it is.

    Raises `InputError` for one that no file holds.
    """
    registry = registries()[kind]
    try:
        found = registry.get(name)
    except MoeCosimError:
        return None  # refused when the point runs, with its reason
    return _module_digest(registry.module_of(name), getattr(found, "data_files", ()))


def hooks_of_plugin(kind: str, name: str) -> tuple[str, ...]:
    """Names of the lowering hooks that a policy or a kind of unit asks for."""
    try:
        return tuple(getattr(registries()[kind].get(name), "lowering_hooks", ()))
    except MoeCosimError:
        return ()


def take_digests() -> None:
    """Now, of everything loaded: later edits of files do not change what this process runs."""
    core_digest()
    for kind, registry in registries().items():
        for name in registry.loaded():
            plugin_digest(kind, name)


@cache
def _core() -> frozenset[str]:
    return closure(["moe_cosim.sim.run"])


@cache
def _module_digest(module: str, data_files: tuple[str, ...]) -> str | None:
    if module.partition(".")[0] == PACKAGE:
        files = _paths(closure([module]) - _core())
        files |= {f"{PACKAGE}/{path.relative_to(_ROOT)}": path for each in data_files for path in _ROOT.glob(each)}
    else:
        files = _outside(module)
    return _digest_of(files) if files else None


def _outside(module: str) -> dict[str, Path]:
    """Every file of the package that the module is in, and what these import of ours beyond the core."""
    top = module.partition(".")[0]
    found = sys.modules.get(top)
    folders = [Path(folder) for folder in getattr(found, "__path__", ())]
    files = {
        f"{top}/{path.relative_to(folder).as_posix()}": path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    if not folders:
        file = getattr(found, "__file__", None)
        if file is None:
            raise InputError(module, "source", Plain("a module without a file"), "plug-ins in modules that have one")
        files = {Path(file).name: Path(file)}
    imported = {name for path in files.values() if path.suffix == ".py" for name in imported_by(path)}
    return files | _paths(closure(imported) - _core())


def _paths(modules: Iterable[str]) -> dict[str, Path]:
    return {module: path for module in modules if (path := file_of(module)) is not None}


def _digest_of(files: dict[str, Path]) -> str:
    """Of names and contents, wherever the files lie."""
    whole = hashlib.sha256()
    for name, path in sorted(files.items()):
        whole.update(f"{name}\0{file_digest(str(path))}\0".encode())
    return whole.hexdigest()[:SOURCE_DIGITS]
