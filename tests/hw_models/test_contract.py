"""Every unit model of the project meets the contract, as the catalogue describes it."""

from __future__ import annotations

from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.testing import UnitModelContract


def described(device: str, unit: str) -> dict[str, object]:
    """The fields of a unit's model but its kind."""
    tree = catalog.read(catalog.find(device, "device"), "device")
    return {name: value for name, value in tree["units"][unit]["model"].items() if name != "kind"}


class TestTileGpu(UnitModelContract):
    unit_model = "tile-gpu"
    fields = described("h100-sxm", "sm")


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
