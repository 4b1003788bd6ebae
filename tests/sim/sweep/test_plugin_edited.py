"""The life of a policy in a package of its own: installed, edited, released, beside another."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.sweep.conftest import WriteSweep

ROOT = Path(__file__).parents[3]
POLICY = """
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.offloading.{module} import {base}


@policies.register("{name}")
class Mine({base}):
    summary = "a policy of the user's"
"""


class Site:
    """A folder that packages are installed into, as pip does, and commands that see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, base: str, version: str = "1.0") -> None:
        """A package with the policy `name`, which does what the policy `base` of ours does."""
        package, module = f"{name}_package", {"Hobbit": "hobbit", "OnDemand": "on_demand"}[base]
        (self.folder / package / "inner").mkdir(parents=True, exist_ok=True)
        (self.folder / package / "__init__.py").write_text("")
        (self.folder / package / "inner" / "__init__.py").write_text("")
        text = POLICY.format(module=module, base=base, name=name)
        (self.folder / package / "inner" / "policy.py").write_text(text)
        for old in self.folder.glob(f"{package}-*.dist-info"):
            (old / "METADATA").unlink()
            (old / "entry_points.txt").unlink()
            old.rmdir()
        info = self.folder / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[moe_cosim.policies]\n{name} = {package}.inner.policy\n")

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "moe_cosim", *arguments)

    def python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder), str(ROOT)])
        return subprocess.run(
            [sys.executable, *(str(each) for each in arguments)],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )

    def sweep(self, path: Path, store: Path) -> tuple[int, int]:
        """Points computed, and points that were in the store."""
        done = self.command("sweep", "run", path, "--out", store, "--workers", 1, "--json")
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout)
        return outcome["finished"], outcome["skipped"]

    def stored(self, store: Path, *options: str) -> tuple[list[float], str]:
        """End-to-end times of the policy's points, and what was said of those left out."""
        sql = "SELECT end_to_end_s FROM results WHERE \"policy.name\" = 'mine' ORDER BY seed"
        done = self.command("results", store, sql, "--json", *options)
        assert done.returncode == 0, done.stderr
        return [row["end_to_end_s"] for row in json.loads(done.stdout)], done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site")


def test_a_policy_edited_released_and_changed_back(
    site: Site, write_sweep: WriteSweep, base_folder: Path, tmp_path: Path
) -> None:
    policy = {"name": "hobbit"}
    sweep = write_sweep(grid={"policy": [policy, {"name": "mine"}]}, seeds=2, set={"workload.batch": 2})
    store = tmp_path / "store"
    site.install("mine", "Hobbit")
    assert site.sweep(sweep, store) == (4, 0)
    as_hobbit, said = site.stored(store)
    assert said == ""
    (plan,) = (path.name.partition(".")[0] for path in (store / "plans").iterdir())

    site.install("mine", "OnDemand")  # edited, at the same version
    assert site.sweep(sweep, store) == (2, 2)
    edited, said = site.stored(store)
    assert said.startswith("moe-cosim: 2 points of other versions of the code left out")
    assert len(edited) == 2
    settings = ("--set", "policy={name: mine}", "--set", "workload.batch=2", "--set", "seed=1", "--json")
    alone = site.command("run", base_folder / "base.yaml", *settings)
    assert json.loads(alone.stdout)["end_to_end_s"] == edited[1] != as_hobbit[1]
    both, said = site.stored(store, "--all-versions")
    assert (sorted(both), said) == (sorted([*edited, *as_hobbit]), "")

    script = "import sys; from moe_cosim.sim.sweep.pool.local import *; s = Store.open(sys.argv[1])\n"
    script += "try: run_points(s, s.plan(sys.argv[2]))\nexcept InputError as error: print(error)"
    refused = site.python("-c", script, store, plan)
    assert "found other code than planned: policy mine; " in refused.stdout, refused.stderr

    site.install("mine", "OnDemand", version="2.0")  # released without a change
    site.install("other", "Hobbit")  # a package that the sweep does not use
    assert site.sweep(sweep, store) == (0, 4)

    site.install("mine", "Hobbit")  # changed back: what a run gives is what is shown, though it is older
    assert site.sweep(sweep, store) == (0, 4)
    assert site.stored(store)[0] == as_hobbit
