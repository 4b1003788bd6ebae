"""Fixtures of the batch tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.sim.batch import grid_engine_cluster, slurm_cluster
from tests.sim.batch.grid_engine_cluster import GridEngineCluster
from tests.sim.batch.slurm_cluster import SlurmCluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A running Slurm of six processors, which sbatch and its kin find through SLURM_CONF."""
    reason = slurm_cluster.missing()
    if reason is not None:
        pytest.skip(f"no Slurm: {reason}")
    cluster = SlurmCluster()
    before = os.environ.get("SLURM_CONF")
    try:
        cluster.start()
        os.environ["SLURM_CONF"] = str(cluster.conf)
        yield cluster
    finally:
        cluster.stop()
        if before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = before


@pytest.fixture(scope="session")
def grid_engine() -> Iterator[GridEngineCluster]:
    """A running Grid Engine of six slots, which qsub and its kin find through SGE_ROOT."""
    reason = grid_engine_cluster.missing()
    if reason is not None:
        pytest.skip(f"no Grid Engine: {reason}")
    cluster = GridEngineCluster()
    with pytest.MonkeyPatch.context() as patch:
        try:
            cluster.start()
            for name, value in cluster.variables.items():
                patch.setenv(name, value)
            yield cluster
        finally:
            cluster.stop()
