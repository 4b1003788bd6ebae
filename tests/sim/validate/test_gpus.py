"""Which device a GPU's name means."""

from __future__ import annotations

import pytest

from moe_cosim.sim.validate.names.gpus import find_gpu, gpus


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("H100 80GB HBM3 (SXM, 3.35 TB/s)", "h100-sxm"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("H100", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("H100-SXM5-80GB", "h100-sxm"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("RTX4090 24 GB (1008 GB/s)", "rtx-4090"),
        ("rtx_5080", "rtx-5080"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
    ],
)
def test_names_of_makers_drivers_and_tables(text: str, device: str) -> None:
    found = find_gpu(text)
    assert found is not None
    assert found.name == device


@pytest.mark.parametrize(
    "text", ["", "H100 NVL", "RTX 4090 D", "RTX 4090D", "RTX 4090 Laptop GPU", "RTX 5080 Ti", "H100 96GB", "MI300X"]
)
def test_other_cards_are_not_taken_for_one_that_is_known(text: str) -> None:
    assert find_gpu(text) is None


def test_every_device_is_found_by_its_own_name() -> None:
    assert len(gpus()) > 3
    for gpu in gpus():
        assert find_gpu(gpu.name) == gpu
        assert find_gpu(gpu.name.upper().replace("-", " ")) == gpu
