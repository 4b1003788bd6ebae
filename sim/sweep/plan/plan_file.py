"""A plan on disk: a header line, then a line per point, compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.schema import check
from moe_cosim.sim.sweep.plan.identity import canonical
from moe_cosim.sim.sweep.plan.plan import Plan, Point


def encode(plan: Plan) -> bytes:
    """The same bytes for equal plans."""
    lines = [canonical(plan.header())]
    lines += [canonical([point.id, point.settings, point.variant]) for point in plan.points]
    return gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=6, mtime=0)


def read(path: Path, plan_id: str) -> Plan:
    """Raises `InputError` for an unknown or damaged plan."""
    allowed = "a plan of this store, whole; 'moe-cosim sweep run' writes it anew"
    try:
        header, *lines = gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")
        tree = json.loads(header)
        plan = Plan(
            name=tree["name"],
            bases={name: check(Experiment, base, path) for name, base in tree["bases"].items()},
            axes=tuple(tree["axes"]),
            points=tuple(Point(*row) for row in json.loads(f"[{','.join(lines)}]")),
            duplicates=tree["duplicates"],
            removed=tree["removed"],
            files=tree["files"],
            version=tree["version"],
            code=tree["code"],
        )
    except FileNotFoundError:
        raise InputError(path.parent, "plan", plan_id, allowed) from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InputError(path, "plan", Plain(f"a damaged file ({type(error).__name__})"), allowed) from None
    if plan.plan_id != plan_id:
        raise InputError(path, "plan", Plain("a damaged file (other contents)"), allowed)
    return plan
