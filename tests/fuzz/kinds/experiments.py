"""Experiments, and what ``--set`` says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from tests.fuzz.judge import Command
from tests.fuzz.samples import MODELS, Tree, base, write_model
from tests.fuzz.samples import experiment as sample
from tests.fuzz.syntax import digits, yaml_file
from tests.fuzz.values import QUANTITIES, TEXTS, any_value, near

_PATHS: Final = (
    *("name", "model", "policy", "machine", "engine", "engine.line_size", "engine.ranks", "seed", "window.steps"),
    *("window.layers", "routing.preset", "routing.source", "routing.file", "policy.name", "policy.alpha", "software"),
    *("quantization.average_bits", "quantization.losses", "kv_cache", "assumptions.cxl-link-rate", "workload.batch"),
    *(
        "assumptions.routing-zipf",
        "machine.set.links.gpu-cxl.latency",
        "machine.set.links.gpu-cxl.rate",
        "",
        ".",
        "a..b",
    ),
    *("machine.set.devices.ndp.count", "machine.use", "workload", "quantization", "x" * 3_000, "a." * 500 + "b"),
)


def runs(name: str, folder: Path, *more: str) -> list[Command]:
    """Run it, keeping everything."""
    out = folder / "outputs" / "run"
    return [Command(("run", name, "--out", str(out), *more), out)]


def experiment(random: Random, folder: Path) -> list[Command]:
    write_model(folder / "in", random.choice(MODELS))
    (folder / "in" / "e.yaml").write_bytes(yaml_file(random, sample(random)))
    commands = runs("e.yaml", folder, *random.choice(((), (), ("--json",), ("--csv",), ("--table", "assumptions"))))
    if random.random() < 0.1:
        commands.append(Command(("emit", "e.yaml", "--out", str(folder / "outputs" / "sst"))))
    return commands


def settings(random: Random, folder: Path) -> list[Command]:
    write_model(folder / "in")
    tree = base() if random.random() < 0.5 else sample(random)
    (folder / "in" / "e.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    fields = dict(_fields(tree, ""))
    more: list[str] = []
    for _ in range(random.choice((1, 1, 2))):
        path = random.choice((*fields, *_PATHS, *TEXTS[:12]))
        value = near(random, fields[path]) if path in fields and random.random() < 0.5 else any_value(random)
        more += ["--set", f"{path}={_written(random, value)}".replace("\x00", "").encode("utf-8", "ignore").decode()]
    return runs("e.yaml", folder, *more)


def _fields(node: Tree, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from _fields(value, f"{prefix}{key}.")


def _written(random: Random, value: Any) -> str:
    kind = random.randrange(4)
    if kind == 0:
        return str(value)
    if kind == 1:
        return random.choice((*TEXTS, *QUANTITIES))
    return digits(yaml.safe_dump(value, default_flow_style=True, width=1_000_000).removesuffix("\n...\n").rstrip("\n"))
