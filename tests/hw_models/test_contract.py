"""Every unit model of the project meets the contract, as the catalogue describes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import BF16
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.hw_models.units.fused_moe import kernel_time_ps
from moe_cosim.hw_models.units.gpu import tables
from moe_cosim.testing import UnitModelContract
from tests.hw_models.measured_tables import TABLES, experts_row, product_row, write_table


def described(device: str, unit: str) -> dict[str, object]:
    """The fields of a unit's model but its kind."""
    tree = catalog.read(catalog.find(device, "device"), "device")
    return {name: value for name, value in tree["units"][unit]["model"].items() if name != "kind"}


class TestTileGpu(UnitModelContract):
    unit_model = "tile-gpu"
    fields = described("h100-sxm", "sm")


class TestMeasuredGpu(UnitModelContract):
    """With a table whose kernels all take twice the tile model's time for them, or none of which it has."""

    unit_model = "measured-gpu"
    fields: ClassVar = {**described("h100-sxm-measured", "sm"), "tables": TABLES}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def tables(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        root = tmp_path_factory.mktemp("tables")
        tile = build_machine("h100-host", Assumptions()).units["gpu.sm"].model
        assert tile is not None
        shape = ExpertShape(2048, 768)
        rows = [experts_row(m, 2e-9 * kernel_time_ps(tile, m, 8, 128, shape, BF16)) for m in (1, 64, 4096)]
        write_table(root, "moe", "moe_perf", rows)
        products = [product_row(m, 4096, 4096, 2e-9 * int(tile.dense_ps(m, 4096, 4096))) for m in (1, 4096)]
        write_table(root, "gemm", "gemm_perf", products)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tables, "tables_root", lambda: root)
            tables._read.cache_clear()
            yield
        tables._read.cache_clear()


class TestBankGemv(UnitModelContract):
    unit_model = "bank-gemv"
    fields = described("b200-pim", "pim")


class TestSystolicArrays(UnitModelContract):
    unit_model = "systolic-arrays"
    fields = described("cxl-ndp", "core")


class TestCpuWithTiles(UnitModelContract):
    unit_model = "cpu-kernels"
    fields = described("xeon-8470", "cpu")
    optional = ("matrix_isa",)
    switches = (5,)


class TestCpuOfTwoSockets(UnitModelContract):
    unit_model = "cpu-kernels"
    fields = described("xeon-6138-x2", "cpu")
    optional = ("numa",)


def test_every_registered_unit_model_is_held_to_the_contract() -> None:
    assert {cls.unit_model for cls in UnitModelContract.__subclasses__()} >= set(unit_models.names())
