"""A user's own files may have any name: the package answers to ``moe_cosim`` alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from moe_cosim.version import VERSION
from tests.packaging.installed import Installation
from tests.sim.batch.stand_in_programs import stand_ins
from tests.sim.tiny import Tiny

OLD_NAMES = ("sim", "workloads", "hw_models", "templates", "experiments", "tests")
"""Of packages that the folders at the top of the repository were, or could be taken for."""

SWEEP = {"name": "small", "base": "tiny.yaml", "seeds": 2, "set": {"workload.output_tokens": 2}}

SCRIPT = """\
import moe_cosim
first = moe_cosim.run("tiny.yaml")
second = moe_cosim.run(moe_cosim.load_experiment("tiny.yaml"), out="by-api")
assert first.decode_tokens_per_s == second.decode_tokens_per_s
print(moe_cosim.__version__, moe_cosim.__file__)
"""


class User:
    """A folder of one's own, full of names that were ours, and on PYTHONPATH at that."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation, self.folder = installation, folder
        for name in OLD_NAMES:
            package = folder / name
            package.mkdir()
            (package / "__init__.py").write_text(f"raise ImportError('this {name} is the user\\'s own')\n")
            (folder / f"{name}.py").write_text(f"raise ImportError('this {name} is the user\\'s own')\n")
        tiny = Tiny(folder)
        tiny.write()
        tiny.write_model()
        (folder / "sweep.yaml").write_text(json.dumps(SWEEP))

    def run(self, *arguments: object) -> str:
        return self.installation.run(*arguments, cwd=self.folder, PYTHONPATH=str(self.folder))

    def command(self, *arguments: object) -> str:
        return self.run(self.installation.command, *arguments)


@pytest.fixture
def user(installation: Installation, tmp_path: Path) -> User:
    folder = tmp_path / "own"
    folder.mkdir()
    return User(installation, folder)


def test_command(user: User) -> None:
    printed = json.loads(user.command("run", "tiny.yaml", "--out", "by-command", "--json"))
    assert printed["decode_tokens_per_s"] > 0
    assert (user.folder / "by-command" / "result.json").exists()
    shipped = json.loads(user.run(user.installation.python, "-m", "moe_cosim", "list", "experiments", "--json"))
    assert "trimoe-deepseek-v2" in str(shipped)


def test_api(user: User) -> None:
    (user.folder / "mine.py").write_text(SCRIPT)
    version, place = user.run(user.installation.python, "mine.py").split()
    assert version == VERSION
    assert Path(place).is_relative_to(user.installation.site_packages)
    assert (user.folder / "by-api" / "summary.md").exists()


def test_sweep_with_workers(user: User) -> None:
    user.command("sweep", "run", "sweep.yaml", "--out", "store", "--workers", 2)
    assert finished(user) == 2


def test_job_scripts(user: User, tmp_path: Path) -> None:
    """LSF's: its jobs keep the environment of whoever submits them."""
    with stand_ins(tmp_path):
        user.command("sweep", "submit", "sweep.yaml", "--out", "store", "--scheduler", "lsf", "--chunk", 1)
        limit = time.monotonic() + 120
        while finished(user) < 2:
            assert time.monotonic() < limit, [path.read_text() for path in user.folder.rglob("log/*")]
            time.sleep(0.2)


def finished(user: User) -> int:
    return sum(1 for _, _, names in os.walk(user.folder / "store" / "points") for name in names if name[0] != ".")
