from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from moe_cosim.compiling import compiling
from tests.sim.tiny import Tiny

ROOT = Path(__file__).parents[1]
BEGUN_FIRST = (
    "tests/sim/batch/test_slurm_real.py",
    "tests/sim/batch/test_grid_engine.py",
    "tests/packaging/test_shadows.py",
    "tests/test_extending.py",
    "tests/sim/sweep/test_robustness.py",
    "tests/sim/sweep/test_plugin_edited.py",
    "tests/docs/test_docs_blocks.py",
    "tests/workloads/policies/test_contract.py",
    "tests/ledger/test_ledger.py",
    "tests/sim/sweep/test_sources.py",
    "tests/moe_cosim/test_compiled.py",
    "tests/workloads/routing/test_routing_generator.py",
    "tests/test_project_files.py",
    "tests/sim/batch/test_stand_ins.py",
)
"""Files that keep a worker for longest, what waits before what computes: begun last, one would run on alone."""


def pytest_configure(config: pytest.Config) -> None:
    """A cache of the run's own, for its workers and what they start: an answer that another state of the sources left
    in the user's would be believed. Compiled code, which says what it was made from, stays the user's."""
    if hasattr(config, "workerinput"):
        return
    users = user_cache_path("moe-cosim")
    own = Path(tempfile.mkdtemp(prefix="moe-cosim-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))
    os.environ["XDG_CACHE_HOME"] = str(own)
    (own / "moe-cosim").mkdir()
    for compiled in ("kernels", "sst"):
        (users / compiled).mkdir(parents=True, exist_ok=True)
        (own / "moe-cosim" / compiled).symlink_to(users / compiled)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of files, which each worker runs whole (``--dist loadfile``)."""
    rank = {ROOT / name: position for position, name in enumerate(BEGUN_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True, scope="session")
def compiling_is_not_announced() -> None:
    """Which test is the first to compile something is chance; what it prints is not."""
    compiling.said = True


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """An experiment on a model of two layers, in a folder of its own."""
    made = Tiny(tmp_path)
    made.write()
    made.write_model()
    return made
