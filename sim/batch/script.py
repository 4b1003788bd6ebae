"""Job scripts, printed from ``templates/batch``. What they say is decided before."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import jinja2

import moe_cosim
from moe_cosim.errors import InputError, Plain
from moe_cosim.escape import shell
from moe_cosim.sim.batch import same_package
from moe_cosim.sim.batch.base import Job, Scheduler
from moe_cosim.sim.batch.site import Site
from moe_cosim.version import VERSION

LAUNCHER_VARIABLE = "MOE_COSIM_LAUNCHER"
CHECK: Final = "same_package.py"
_PACKAGE: Final = Path(moe_cosim.__file__).parent


def points_script(scheduler: Scheduler[Site], job: Job, folder: Path) -> str:
    """The script of an array element: works through the points of its number."""
    title = f"{job.elements} elements, each works through its points"
    return _render(scheduler, job, folder, title, "$index.log", 'sweep element . "$index"')


def collect_script(scheduler: Scheduler[Site], job: Job, folder: Path) -> str:
    """The script that compacts the store once the array has ended."""
    return _render(scheduler, job, folder, "the store is compacted", "collect.log", "collect ../..")


def check_script() -> str:
    """The program that compares the package where the site's environment chooses it: `same_package`."""
    return Path(same_package.__file__).read_text(encoding="utf-8")


def _choice(site: Site) -> str:
    """Who says which Python runs: the site file (``named``, in a ``container``), what its environment makes ready
    (``found``), or nobody, and it is the submitter's ``own``."""
    if site.container is not None:
        return "container"
    if site.python is not None:
        return "named"
    return "found" if site.modules or site.environment or site.lines else "own"


def _render(scheduler: Scheduler[Site], job: Job, folder: Path, title: str, log: str, arguments: str) -> str:
    site = scheduler.site
    choice = _choice(site)
    store = os.fspath(folder.parent.parent)
    if choice == "container" and set(store) & set(",:"):
        raise InputError(store, "store", Plain("a path with , or :"), "another where a container is to see it (--bind)")
    context = {
        "options": scheduler.options(job),
        "version": VERSION,
        "title": title,
        "folder": os.fspath(folder),
        "submission": folder.name,
        "store": store,
        "log": log,
        "modules": site.modules,
        "environment": _environment(site),
        "lines": site.lines,
        "choice": choice,
        "container": site.container,
        "python": site.python or ("python3" if choice == "container" else sys.executable),
        "sources": os.fspath(_PACKAGE.parent),
        "checked": f"{CHECK} {VERSION} {same_package.package_digest(os.fspath(_PACKAGE))}",
        "arguments": arguments,
    }
    text = _templates(scheduler).get_template(f"{scheduler.name}.sh.j2").render(context)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _environment(site: Site) -> dict[str, str]:
    """The site's, and what starts MPI ranks."""
    environment = dict(site.environment)
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
