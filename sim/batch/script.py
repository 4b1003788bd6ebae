"""Job scripts, printed from ``templates/batch``. What they say is decided before."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import jinja2

import moe_cosim
from moe_cosim.escape import shell
from moe_cosim.sim.batch.base import Job, Scheduler
from moe_cosim.sim.batch.site import Site
from moe_cosim.version import VERSION

LAUNCHER_VARIABLE = "MOE_COSIM_LAUNCHER"
_SOURCES = Path(moe_cosim.__file__).parent.parent


def points_script(scheduler: Scheduler[Site], job: Job, folder: Path) -> str:
    """The script of an array element: works through the points of its number."""
    title = f"{job.elements} elements, each works through its points"
    return _render(scheduler, job, folder, title, "$index.log", ["sweep", "element", "."], '"$index"')


def collect_script(scheduler: Scheduler[Site], job: Job, folder: Path) -> str:
    """The script that compacts the store once the array has ended."""
    return _render(scheduler, job, folder, "the store is compacted", "collect.log", ["collect", "../.."], "")


def _render(
    scheduler: Scheduler[Site], job: Job, folder: Path, title: str, log: str, arguments: list[str], argument: str
) -> str:
    site = scheduler.site
    context = {
        "options": scheduler.options(job),
        "version": VERSION,
        "title": title,
        "folder": os.fspath(folder),
        "log": log,
        "modules": site.modules,
        "environment": _environment(site),
        "lines": site.lines,
        "command": [site.python or sys.executable, "-m", "moe_cosim", *arguments],
        "argument": argument,
    }
    text = _templates(scheduler).get_template(f"{scheduler.name}.sh.j2").render(context)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _environment(site: Site) -> Mapping[str, str]:
    """The site's, with the package's place, so that a source tree needs no installation."""
    environment = dict(site.environment)
    if site.python is None:
        given = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(_SOURCES), *([given] if given else [])])
    if site.launcher is not None:
        environment.setdefault(LAUNCHER_VARIABLE, site.launcher)
    return environment


def _templates(scheduler: Scheduler[Site]) -> jinja2.Environment:
    folders = dict.fromkeys((scheduler.template, Scheduler.template))
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(*folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    made.filters["shell"] = shell
    return made
