"""YAML blocks as what they are: each is read by what reads such files, a fragment within a whole one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import find_experiment, load_experiment
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device, build_machine
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.hw_models.software import find_software
from moe_cosim.options import read_options
from moe_cosim.sim.batch.base import site_class
from moe_cosim.sim.batch.site import load_site
from moe_cosim.sim.figures.label_file import LabelFile
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.workloads.models.model_file.read import read_model_file
from moe_cosim.workloads.neurons.source import SOURCES
from moe_cosim.workloads.prepare import prepare
from moe_cosim.yaml_file import parse_yaml, read_yaml, yaml_text

_SHORT: Final = {"workload.batch": 1, "workload.prompt_tokens": 4, "workload.output_tokens": 2}


def check(text: str, what: str, folder: Path) -> None:
    """`what` is a kind of file, for a fragment also the name of a whole one and the path in it where the fragment goes
    (none: the top). Raises `InputError`.
    """
    kind, *place = what.split()
    path = folder / "checked.yaml"
    tree = parse_yaml(text, "block")
    if place:
        whole, *steps = place
        found = find_experiment(whole) if kind == "experiment" else catalog.find(whole, kind)
        for step in reversed(steps[0].split(".") if steps else []):
            tree = {step: tree}
        tree = _merged(read_yaml(found), tree)
    path.write_text(yaml_text(tree), encoding="utf-8")
    _READERS[kind](path)
    path.unlink()


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged, but for constants, which say where their value comes from."""
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        are_parts = isinstance(old, Mapping) and isinstance(value, Mapping)
        is_constant = are_parts and not {"value", "assume", "source"}.isdisjoint([*old, *value])
        merged[key] = _merged(old, value) if are_parts and not is_constant else value
    return merged


def _experiment(path: Path) -> None:
    prepare(load_experiment(path, _SHORT))


def _neurons(path: Path) -> None:
    """Fields of an experiment on a dense model."""
    work = {"batch": 1, "prompt_tokens": 4, "output_tokens": 2}
    whole = {"name": "dense", "machine": "h100-host", "model": "opt-66b", "workload": work, "policy": "hermes"}
    path.write_text(yaml_text(whole | read_yaml(path)), encoding="utf-8")
    fields = dict(load_experiment(path).neurons or {})
    read_options(SOURCES[fields.pop("source")], fields, path, "neurons")


def _device(path: Path) -> None:
    build_device(catalog.read(path, "device"), path, Assumptions({}))


def _link(path: Path) -> None:
    """In the place of a link between a GPU and a memory device."""
    build_machine("h100-cxl-memory", Assumptions({}), {"links.gpu-cxl.link": str(path)})


_READERS: Final[dict[str, Callable[[Path], object]]] = {
    "experiment": _experiment,
    "neurons": _neurons,
    "machine": lambda path: build_machine(path, Assumptions({})),
    "device": _device,
    "link": _link,
    "dram": read_standard,
    "software": lambda path: find_software(str(path), Assumptions({}), path),
    "model": read_model_file,
    "sweep": plan_sweep,
    "site": lambda path: load_site(path, None, site_class),
    "labels": LabelFile.read,
    "used-below": read_yaml,  # by a command, in a process that has what the page installed
}
KINDS: Final = tuple(_READERS)
