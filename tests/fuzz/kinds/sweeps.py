"""Sweeps, and the sites that they are sent to."""

from __future__ import annotations

from pathlib import Path
from random import Random

import yaml

from tests.fuzz.judge import Command
from tests.fuzz.samples import SITES, SWEEP, base, write_model
from tests.fuzz.syntax import yaml_file
from tests.fuzz.values import TEXTS

_CONDITIONS = (
    *(
        "1",
        "()",
        "x",
        "seed",
        "seed ==",
        "__import__('os').mkdir('PWNED')",
        "seed.__class__",
        "9 ** 9 ** 9",
        "9" * 5_000,
    ),
    *(
        "seed < 1 < 2",
        "'a' * 10**9 == ''",
        "1 / 0 > 1",
        "1e308 * 10 > 1",
        "not " * 500 + "seed",
        "(" * 500 + "seed",
        "seed in [1]",
    ),
    *(
        "workload.batch % 0 == 0",
        "policy.gpu_experts > 'a'",
        "lambda: 1",
        "f'{seed}'",
        "seed if seed else 1",
        "-" * 3_000 + "1 < 2",
    ),
)


def sweep(random: Random, folder: Path) -> list[Command]:
    _write_base(folder)
    tree = dict(SWEEP)
    if random.random() < 0.3:
        tree["where"] = random.choice((*_CONDITIONS, *TEXTS))
    (folder / "in" / "sweep.yaml").write_bytes(yaml_file(random, tree))
    more = random.choice(((), ("--json",), ("--csv",)))
    return [Command(("sweep", "plan", "sweep.yaml", "--no-estimate", *more))]


def site(random: Random, folder: Path) -> list[Command]:
    """What would be submitted is printed; nothing is submitted."""
    _write_base(folder)
    (folder / "in" / "sweep.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    (folder / "in" / "site.yaml").write_bytes(yaml_file(random, random.choice(SITES)))
    out = str(folder / "outputs" / "store")
    more = random.choice(((), (), ("--time", random.choice(TEXTS)), ("--scheduler", random.choice(TEXTS))))
    arguments = ("sweep", "submit", "sweep.yaml", "--out", out, "--site", "site.yaml", "--dry-run", *more)
    return [Command(tuple(each.replace("\x00", "") for each in arguments))]


def _write_base(folder: Path) -> None:
    write_model(folder / "in")
    (folder / "in" / "base.yaml").write_text(yaml.safe_dump(base()), encoding="utf-8")
