"""Which Python and which package a job runs, and what it says where they are not the submitter's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.batch import same_package
from moe_cosim.sim.batch.base import Job, schedulers, site_class
from moe_cosim.sim.batch.script import check_script, points_script
from moe_cosim.sim.batch.site import site_of

ROOT = Path(__file__).parents[3]
JOB = Job("moe-x", "points.sh", elements=3)


def program(path: Path, says: str) -> Path:
    """A program that prints the name `says`, its words and where it would find the package first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/bash\necho {says} "$@"\necho path "${{PYTHONPATH-}}"\n')
    path.chmod(0o755)
    return path


class Cluster:
    """A store's submission and a node's programs; scripts are run as a scheduler would."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "store" / "batch" / "one"
        (self.folder / "log").mkdir(parents=True)
        self.home, self.bin = folder / "home", folder / "bin"
        self.home.mkdir()
        program(self.bin / "python3", "system")
        monkeypatch.setattr(sys, "executable", str(program(folder / "own", "own")))
        (folder / "venv" / "bin").mkdir(parents=True)
        program(folder / "venv" / "bin" / "python3", "venv")
        self.activate = folder / "venv" / "bin" / "activate"
        self.activate.write_text(f"PATH={folder}/venv/bin:$PATH\n")

    def run(self, **site: Any) -> int:
        made = schedulers.get("slurm")(site_of({"scheduler": "slurm", **site}, "test", site_class))
        environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home), "SLURM_ARRAY_TASK_ID": "2"}
        text = points_script(made, JOB, self.folder)
        return subprocess.run(["bash", "-c", text], env=environ, cwd="/", check=False).returncode

    def log(self) -> list[str]:
        return (self.folder / "log" / "2.log").read_text().splitlines()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


CHECKED = r"same_package\.py \S+ [0-9a-f]{16} sweep element \. 2"


def test_without_a_site_file_the_submitters_own_python_runs(cluster: Cluster) -> None:
    assert cluster.run() == 0
    assert cluster.log() == ["own -m moe_cosim sweep element . 2", f"path {ROOT}"]


def test_what_makes_no_python_ready_changes_nothing(cluster: Cluster) -> None:
    cluster.run(lines=["ulimit -c 0"], environment={"OMP_NUM_THREADS": "1"})
    assert cluster.log() == ["own -m moe_cosim sweep element . 2", f"path {ROOT}"]


def test_an_activated_environment_decides(cluster: Cluster) -> None:
    cluster.run(lines=[f"source {cluster.activate}"])
    found, path = cluster.log()
    assert re.fullmatch(f"venv {CHECKED}", found)
    assert path == "path ", "the submitter's package is not put before the environment's"


def test_a_path_of_packages_decides_for_the_submitters_python(cluster: Cluster) -> None:
    cluster.run(environment={"PYTHONPATH": "/proj/42"})
    found, path = cluster.log()
    assert re.fullmatch(f"own {CHECKED}", found)
    assert path == f"path /proj/42:{ROOT}"


def test_a_named_python_decides(cluster: Cluster) -> None:
    cluster.run(lines=[f"source {cluster.activate}"], python=str(program(cluster.bin / "named one", "named")))
    assert re.fullmatch(f"named {CHECKED}", cluster.log()[0])


@pytest.mark.parametrize("runtime", ["apptainer", "singularity"])
def test_a_container_decides(cluster: Cluster, runtime: str) -> None:
    program(cluster.bin / runtime, runtime)
    cluster.run(container="/proj/42/moe image.sif")
    where = f"--bind {cluster.folder.parent.parent} --pwd {cluster.folder}"
    assert re.fullmatch(f"{runtime} exec {where} /proj/42/moe image.sif python3 {CHECKED}", cluster.log()[0])


def test_a_store_that_no_container_could_see_is_refused(cluster: Cluster) -> None:
    cluster.folder = cluster.folder.parents[2] / "a:b" / "batch" / "one"
    with pytest.raises(InputError, match="a path with , or :"):
        cluster.run(container="moe.sif")


def test_a_container_with_nothing_to_run_it(cluster: Cluster) -> None:
    assert cluster.run(container="moe.sif") == 1
    assert cluster.log() == ["no apptainer here, and no singularity"]


@pytest.mark.parametrize("loss", ["store", "log"])
@pytest.mark.parametrize("home", [True, False])
def test_a_store_that_is_not_there_leaves_a_log(
    cluster: Cluster, loss: str, home: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = cluster.folder.parent.parent if loss == "store" else cluster.folder / "log"
    lost.rename(tmp_path / "elsewhere")
    place = cluster.home
    if not home:
        cluster.home.rmdir()
        place = Path("/tmp")
    log = place / "moe-cosim-one-2.log"
    try:
        assert cluster.run() == 1
        (line,) = log.read_text().splitlines()
    finally:
        log.unlink(missing_ok=True)
    assert line.endswith(f": no store here, or its log/2.log cannot be written: {cluster.folder}")


class Installed:
    """A package that goes by our name, and a Python that finds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.package = self.folder / "moe_cosim"
        (self.package / "sim").mkdir(parents=True)
        (self.package / "version.py").write_text('"""Of it."""\n\nVERSION = "0.1.0"\n')
        (self.package / "__init__.py").write_text("")
        (self.package / "__main__.py").write_text("import os, sys\nprint(sys.argv[1:], os.getcwd())\n")
        (self.package / "sim" / "run.py").write_text("steps = 1\n")
        self.check = folder / "same_package.py"
        self.check.write_text(check_script())
        self.digest = same_package.package_digest(str(self.package))

    def go(self) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, str(self.check), "0.1.0", self.digest, "sweep", "element", ".", "2"],
            env={"PYTHONPATH": str(self.folder)},
            cwd=self.check.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_the_submitters_package_goes_on(installed: Installed) -> None:
    (installed.package / "notes.txt").write_text("no code")
    status, (first, second) = installed.go()
    assert status == 0
    assert first.endswith(f": the submitter's moe-cosim 0.1.0 (code {installed.digest})")
    assert sys.executable in first
    assert second == f"['sweep', 'element', '.', '2'] {installed.check.parent}"


def edited(installed: Installed) -> str:
    (installed.package / "sim" / "run.py").write_text("steps = 2\n")
    other = same_package.package_digest(str(installed.package))
    return f"found version 0.1.0, code {other} in '{installed.package}'; allowed: the submitter's moe-cosim 0.1.0"


def newer(installed: Installed) -> str:
    (installed.package / "version.py").write_text('VERSION = "0.2.0"\n')
    return "found version 0.2.0, code "


def without_version(installed: Installed) -> str:
    (installed.package / "version.py").unlink()
    return "found version of no known version, code "


def moved(installed: Installed) -> str:
    installed.folder.rename(installed.folder.parent / "elsewhere")
    # of an interpreter that has it installed, the other code is found instead
    return "found "


@pytest.mark.parametrize("change", [edited, newer, without_version, moved])
def test_another_package_is_one_line_and_a_failed_element(installed: Installed, change: Any) -> None:
    expected = change(installed)
    status, lines = installed.go()
    assert status == 1
    (line,) = lines
    assert expected in line
    assert f"allowed: the submitter's moe-cosim 0.1.0 (code {installed.digest})" in line
    assert "'python:' in the site file" in line


def test_what_the_package_needs_must_be_there_too(installed: Installed) -> None:
    (installed.package / "__main__.py").write_text("import no_such_module_here\n")
    installed.digest = same_package.package_digest(str(installed.package))
    status, lines = installed.go()
    assert status == 1
    assert lines[-1].endswith("found no module 'no_such_module_here'; allowed: a Python with all that moe-cosim needs")


def test_a_digest_is_of_code_wherever_it_lies(installed: Installed) -> None:
    here = installed.digest
    link = installed.folder / "by_links"
    link.mkdir()
    for entry in installed.package.iterdir():
        (link / entry.name).symlink_to(entry)
    (link / "__pycache__").mkdir()
    (link / "__pycache__" / "run.cpython-311.pyc").write_bytes(b"x")
    assert same_package.package_digest(str(link)) == here, "a source tree's folders are links"
    (installed.package / "sim" / "run.py").rename(installed.package / "sim" / "walk.py")
    assert same_package.package_digest(str(link)) != here


def test_it_asks_for_the_python_that_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={same_package.OLDEST[0]}.{same_package.OLDEST[1]}"
    assert os.path.samefile(ROOT / "sim" / "batch" / "same_package.py", same_package.__file__)
