"""The share of the peak that an access pattern reaches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.components import AccessEfficiency
from moe_cosim.hw_models.description import Reading
from moe_cosim.hw_models.dram import read_efficiency, with_sequential_read
from moe_cosim.hw_models.merge import Places

STANDARDS = [entry.name for entry in catalog.entries("dram")]
# Ramulator 2.1: sequential read, sequential write, random 64 B, random 4 KiB blocks.
RAMULATOR = {
    "hbm3": (0.89, 0.89, 0.59, 0.85),
    "hbm2": (0.92, 0.91, 0.61, 0.87),
    "hbm2e": (0.92, 0.91, 0.61, 0.87),
    "ddr5-4800": (0.915, 0.905, 0.61, 0.91),
    "ddr4-3200": (0.95, 0.95, 0.43, 0.94),
    "lpddr5x": (0.915, 0.905, 0.71, 0.89),
}


def _read(name) -> AccessEfficiency:
    return read_efficiency(name, Reading(Assumptions()), Places("test"), "memory")[1]


@pytest.mark.parametrize("name", RAMULATOR)
def test_the_table_is_the_cycle_level_one(name):
    table = _read(name)
    assert [float(table.share(block, False)) for block in (1 << 20, 64, 4096)] == [
        RAMULATOR[name][i] for i in (0, 2, 3)
    ]
    assert float(table.share(1 << 20, True)) == RAMULATOR[name][1]


@pytest.mark.parametrize("name", STANDARDS)
def test_longer_blocks_never_do_worse(name):
    table = _read(name)
    blocks = np.geomspace(16, 1 << 24, 200)
    assert np.all(np.diff(table.share(blocks, False)) >= -1e-12)
    assert float(table.share(0, False)) == table.read[-1]  # 0: as long as can be


@pytest.mark.parametrize("name", STANDARDS)
@given(share=st.floats(0.05, 1.0), block=st.integers(0, 1 << 24), is_write=st.booleans())
def test_a_measured_stream_is_met_and_bounds_every_other_pattern(name, share, block, is_write):
    table = _read(name)
    measured = with_sequential_read(table, share)
    assert measured.read[-1] == share
    assert measured.write[-1] == pytest.approx(min(1.0, table.write[-1] / table.read[-1] * share))
    found = float(measured.share(block, is_write))
    assert 0 < found <= (measured.write[-1] if is_write else share) + 1e-12
