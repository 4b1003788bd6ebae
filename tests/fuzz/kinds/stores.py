"""A store that others could write to: records and plans with right checksums, and links."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from moe_cosim.sim.sweep.plan.plan import id_of, plan_sweep
from moe_cosim.sim.sweep.pool.local import tasks_of
from moe_cosim.sim.sweep.pool.messages import FINISHED, Report
from moe_cosim.sim.sweep.pool.worker import serve
from moe_cosim.sim.sweep.store.store import Store
from tests.fuzz.damage import damaged
from tests.fuzz.judge import Command
from tests.fuzz.samples import base, write_model
from tests.fuzz.syntax import digits
from tests.fuzz.trees import changed

_SWEEP = {"name": "kept", "base": "./base.yaml", "grid": {"workload.batch": [1, 2]}, "seeds": 2}
_QUERIES = (
    ("results", "../outputs/store"),
    ("results", "../outputs/store", "--json"),
    ("results", "../outputs/store", "SELECT * FROM results"),
    ("results", "../outputs/store", "SELECT count(*), max(decode_tokens_per_s) FROM results", "--csv"),
    ("results", "../outputs/store", "COPY (SELECT 1) TO 'PWNED'"),
    ("sweep", "status", "../outputs/store"),
    ("collect", "../outputs/store"),
)


def record(random: Random, folder: Path) -> list[Command]:
    """A point's record forged, with the checksum that it has; or damaged."""
    path = random.choice(_points(_copied(folder)))
    _, _, body = gzip.decompress(path.read_bytes()).partition(b"\n")
    tree = changed(random, json.loads(body), random.choice((1, 1, 2, 3)))
    text = digits(json.dumps(tree)) if random.random() < 0.9 else random.choice(("[" * 100_000, "1", "null", "{}"))
    body = text.encode("utf-8", "surrogatepass")
    seal: Any = {"schema": random.choice((1, 2, 3, 3, 3, 99)), "sha256": hashlib.sha256(body).hexdigest()}
    data = json.dumps(changed(random, seal) if random.random() < 0.1 else seal).encode() + b"\n" + body + b"\n"
    packed = gzip.compress(data, 1)
    path.write_bytes(damaged(random, packed) if random.random() < 0.1 else packed)
    return _asked(random)


def plan(random: Random, folder: Path) -> list[Command]:
    """A plan forged, under the name that its contents have; or damaged."""
    (path,) = (_copied(folder) / "plans").iterdir()
    header, *lines = gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")
    tree, points = json.loads(header), [json.loads(line) for line in lines]
    if random.random() < 0.5:
        tree = changed(random, tree, random.choice((1, 2)))
    else:
        points = changed(random, points, random.choice((1, 2)))
    path.unlink()
    rows = points if isinstance(points, list) else [points]
    text = digits("\n".join(json.dumps(each) for each in (tree, *rows)) + "\n")
    try:
        name = id_of(tree, rows)
    except (TypeError, ValueError, KeyError, AttributeError):  # what is no number of JSON has no canonical form
        name = path.name.partition(".")[0]
    data = gzip.compress(text.encode("utf-8", "surrogatepass"), 1)
    (path.parent / f"{name}.jsonl.gz").write_bytes(damaged(random, data) if random.random() < 0.1 else data)
    return _asked(random)


def store(random: Random, folder: Path) -> list[Command]:
    """Links, pipes, folders and strange files where the store has its own."""
    root = _copied(folder)
    victim = folder / "in" / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine", encoding="utf-8")
    target = random.choice((victim, victim / "file", victim / "new", Path("/dev/zero"), Path("/dev/full")))
    name = random.choice(
        ("points", "failed", "plans", "parts", "aside", "damaged", "claims", "store.json", "point", "group")
    )
    path = random.choice(_points(root)) if name in ("point", "group") else root / name
    path = path.parent if name == "group" else path
    kind = random.randrange(5)
    if path.exists() and kind < 4:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if kind < 2:
        path.symlink_to(target)
    elif kind == 2 and not path.exists():
        os.mkfifo(path)
    elif kind == 3:
        path.mkdir(exist_ok=True)
        (path / random.choice(("a\nb", "\x1b[2J", "x", ".hidden", "part-x.parquet", "é" * 80))).write_bytes(b"")
    elif path.is_file():
        path.write_bytes(damaged(random, path.read_bytes()))
    elif path.is_dir():
        (path / f"part-{hashlib.sha256(b'junk').hexdigest()}.parquet").write_bytes(b"junk")
    return _asked(random)


def _asked(random: Random) -> list[Command]:
    return [Command(arguments) for arguments in random.sample(_QUERIES, 2)]


def _copied(folder: Path) -> Path:
    shutil.copytree(kept(), folder / "outputs" / "store")
    return folder / "outputs" / "store"


def _points(root: Path) -> list[Path]:
    return sorted((root / "points").glob("*/*.json.gz"))


@cache
def kept() -> Path:
    """A store of four points, once per process."""
    folder = Path(tempfile.mkdtemp(prefix="moe-cosim-fuzz-"))
    write_model(folder)
    (folder / "base.yaml").write_text(yaml.safe_dump(base()), encoding="utf-8")
    (folder / "sweep.yaml").write_text(yaml.safe_dump(_SWEEP), encoding="utf-8")
    planned = plan_sweep(folder / "sweep.yaml")
    made = Store.create(folder / "store")
    made.add_plan(planned)
    claims = made.claims()
    reports: list[Report] = []
    serve(tasks_of(planned, planned.points), made, claims, reports.append)
    claims.close()
    assert [report.outcome for report in reports] == [FINISHED] * 4
    return folder / "store"
