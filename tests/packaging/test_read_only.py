"""An installation that nobody may write, used by one whose home cannot be written: containers, clusters."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.packaging.installed import Installation
from tests.sim.tiny import Tiny

_PROBE = "import sys; open(sys.argv[1] + '/probe', 'w')"


@pytest.fixture
def as_anybody() -> list[str]:
    """Words before a command that take from root the right to write where permissions forbid it."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write everywhere, and there is no setpriv to change that")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def test_commands_work(installation: Installation, as_anybody: list[str], tmp_path: Path) -> None:
    home, folder, scratch = tmp_path / "home", tmp_path / "own", tmp_path / "scratch"
    for path in (home, folder, scratch):
        path.mkdir()
    home.chmod(0o555)
    tiny = Tiny(folder)
    tiny.write()
    tiny.write_model()
    compiled = installation.home / ".cache" / "moe-cosim" / "kernels"  # that this takes seconds is no news
    shutil.copytree(compiled, scratch / f"moe-cosim-numba-{os.getuid()}").chmod(0o700)
    for path in (home, installation.site_packages / "moe_cosim"):
        with pytest.raises(AssertionError, match="Permission denied"):
            installation.run(*as_anybody, sys.executable, "-c", _PROBE, path, cwd=folder)
    for arguments in (("list",), ("run", "tiny.yaml", "--out", "out")):
        command = (*as_anybody, installation.python, "-m", "moe_cosim", *arguments)
        assert installation.run(*command, cwd=folder, HOME=str(home), TMPDIR=str(scratch))
    assert (folder / "out" / "result.json").exists()
    assert not list(home.iterdir())
