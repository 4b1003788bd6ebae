"""A plan on disk: a header line, then a line per point, compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.experiment import Experiment
from moe_cosim.schema import check
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.sim.sweep.identity.digest import canonical
from moe_cosim.sim.sweep.identity.sources import sources_before_schema_3
from moe_cosim.sim.sweep.plan.checked import check_plan
from moe_cosim.sim.sweep.plan.plan import Point, SweepPlan, id_of


def encode(plan: SweepPlan) -> bytes:
    """The same bytes for equal plans."""
    lines = [canonical(plan.header())]
    lines += [canonical([point.id, point.settings, point.variant]) for point in plan.points]
    return gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=6, mtime=0)


@dataclass(frozen=True)
class PlanOutline:
    """What can be said of a plan whose experiments this version may no longer know."""

    name: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]
    sources: dict[str, str]


def read(path: Path, plan_id: str) -> SweepPlan:
    """Raises `InputError` for an unknown or damaged plan, and for an experiment that is none any more."""
    outline, tree = _read(path, plan_id)
    return SweepPlan(
        name=outline.name,
        bases={name: check(Experiment, base, path) for name, base in tree["bases"].items()},
        axes=outline.axes,
        points=outline.points,
        duplicates=tree["duplicates"],
        removed=tree["removed"],
        files=tree["files"],
        sources=outline.sources,
    )


def read_outline(path: Path, plan_id: str) -> PlanOutline:
    """Raises `InputError` for an unknown or damaged plan."""
    return _read(path, plan_id)[0]


def _read(path: Path, plan_id: str) -> tuple[PlanOutline, dict[str, Any]]:
    allowed = "a plan of this store, whole; 'moe-cosim sweep run' writes it anew"
    try:
        header, *lines = own_file.unpacked(own_file.read(path)).decode().removesuffix("\n").split("\n")
        tree = json.loads(header)
        points = json.loads(f"[{','.join(lines)}]")
        if id_of(tree, points) != plan_id:
            raise InputError(path, "plan", Plain("a damaged file (other contents)"), allowed)
        check_plan(tree, points)
        sources = tree["sources"] if "sources" in tree else sources_before_schema_3(tree["version"], tree["code"])
        return PlanOutline(tree["name"], tuple(tree["axes"]), tuple(Point(*row) for row in points), sources), tree
    except FileNotFoundError:
        raise InputError(path.parent, "plan", plan_id, allowed) from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(path, "plan", Plain(f"a damaged file ({what_failed(error)})"), allowed) from None
