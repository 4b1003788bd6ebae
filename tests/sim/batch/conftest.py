"""Fixtures of the batch tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.sim.batch.slurm_cluster import SlurmCluster, missing


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A running Slurm of six processors, which sbatch and its kin find through SLURM_CONF."""
    reason = missing()
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
