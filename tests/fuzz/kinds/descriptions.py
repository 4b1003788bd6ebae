"""Machines, devices, links, software, presets and models."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import yaml

from moe_cosim.hw_models import catalog
from moe_cosim.yaml_file import read_yaml
from tests.fuzz.judge import Command
from tests.fuzz.kinds.experiments import runs
from tests.fuzz.samples import MACHINE, MODELS, Tree, base, write_model
from tests.fuzz.syntax import json_file, yaml_file

_NEAR_DATA: Final = ("cxl-ndp", "monde-ndp")


def machine(random: Random, folder: Path) -> list[Command]:
    """A machine with a device and a link of its own; one of the three files is changed."""
    trees: dict[str, Tree] = {
        "machine": MACHINE,
        "device": read_yaml(catalog.root() / "devices" / f"{random.choice(_NEAR_DATA)}.yaml"),
        "link": read_yaml(catalog.root() / "links" / "cxl-pcie4-x16.yaml"),
    }
    wrong = random.choice(list(trees))
    for name, tree in trees.items():
        path = folder / "in" / f"{name}.yaml"
        path.write_bytes(yaml_file(random, tree) if name == wrong else yaml.safe_dump(tree, sort_keys=False).encode())
    _write(folder, base() | {"machine": {"use": "./machine.yaml"}})
    if random.random() < 0.15:
        return [Command(("emit", "e.yaml", "--out", str(folder / "outputs" / "sst")))]
    if random.random() < 0.15:
        return [Command(("show", "machine", "./machine.yaml"))]
    return runs("e.yaml", folder)


def description(random: Random, folder: Path) -> list[Command]:
    """A description of the catalogue that an experiment or a machine names by path."""
    tree = base()
    kind = random.choice(("software", "preset", "gpu", "cpu", "machine", "set"))
    if kind == "software":
        found = read_yaml(
            catalog.root() / "software" / f"{random.choice(('eager', 'cuda-graphs', 'fiddler', 'ktransformers'))}.yaml"
        )
        tree["software"] = "./x.yaml"
    elif kind == "preset":
        found = read_yaml(catalog.root().parents[1] / "workloads" / "routing" / "presets" / "mixtral-8x7b.yaml")
        tree["routing"] = {"source": "generator", "preset": "./x.yaml"}
    elif kind == "machine":
        found = read_yaml(
            catalog.root() / "machines" / f"{random.choice(('h100-cxl-ndp-4', 'h100-amx-dimm-ndp'))}.yaml"
        )
        tree |= {"machine": {"use": "./x.yaml"}}
    elif kind == "set":
        found = {}
        tree["machine"]["set"] = {_field(random): random.choice((0, 3, -1, 1e300, None, "1 GHz", "0 ns", [], {}))}
    else:
        found = read_yaml(catalog.root() / "devices" / ("h100-sxm.yaml" if kind == "gpu" else "xeon-6454s.yaml"))
        machine = read_yaml(
            catalog.root() / "machines" / f"{'h100-cxl-ndp' if kind == 'gpu' else 'rtx4090-xeon-6454s'}.yaml"
        )
        machine["devices"]["gpu" if kind == "gpu" else "host"]["device"] = "./x.yaml"
        if kind == "cpu":
            tree["policy"] = {"name": "fiddler"}
        (folder / "in" / "machine.yaml").write_text(yaml.safe_dump(machine, sort_keys=False), encoding="utf-8")
        tree["machine"] = {"use": "./machine.yaml"}
    if kind != "set":
        (folder / "in" / "x.yaml").write_bytes(yaml_file(random, found))
    _write(folder, tree)
    return runs("e.yaml", folder)


def model(random: Random, folder: Path) -> list[Command]:
    (folder / "in" / "model.json").write_bytes(json_file(random, random.choice(MODELS)))
    (folder / "in" / "e.yaml").write_text(yaml.safe_dump(base()), encoding="utf-8")
    if random.random() < 0.2:
        return [Command(("show", "model", "./model.json"))]
    return runs("e.yaml", folder)


def _field(random: Random) -> str:
    part = random.choice(("devices.ndp", "devices.gpu", "links.gpu-cxl", "devices", "links", "title", "x"))
    return part + random.choice(
        ("", ".count", ".latency", ".rate", ".units.core.model.arrays", ".memories.dram.peak", ".")
    )


def _write(folder: Path, tree: Tree) -> None:
    write_model(folder / "in")
    (folder / "in" / "e.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
