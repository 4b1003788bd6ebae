"""Every description of the catalog builds, says where its constants come from, and adds up."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine, build_with_origins

MACHINES = [entry.name for entry in catalog.entries("machine")]
DEVICES = [entry.name for entry in catalog.entries("device")]


def _build(name, settings=None):
    return build_machine(name, Assumptions(), settings)


def test_the_catalog_holds_what_the_experiments_need():
    assert {"h100-cxl-ndp", "h100-cxl-ndp-4", "a100-monde", "h100-host", "h100-host-pcie5", "rtx4090-host"} <= set(
        MACHINES
    )
    assert all(entry.title for kind in catalog.KINDS for entry in catalog.entries(kind))


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_builds_and_every_constant_has_an_origin(name):
    machine, origins = build_with_origins(name, Assumptions())
    assert all(len(origin.source) > 5 for origin in origins)
    assert {origin.assumption for origin in origins} - {""} == {a.name for a in machine.assumptions}
    assert all(len(assumption.source) > 20 for assumption in machine.assumptions)


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_builds_in_a_machine(name, tmp_path):
    path = tmp_path / "pair.yaml"
    port = catalog.read(catalog.find(name, "device"), "device")["ports"][0]
    path.write_text(
        "kind: machine\ntitle: a device and a switch\n"
        f"devices:\n  it: {{device: {name}}}\n  other: {{device: cxl-switch}}\n"
        f"links:\n  wire: {{link: pcie5-x16, ends: [it.{port}, other.port]}}\n"
    )
    machine = _build(path)
    assert all(unit.local_memory in machine.memories for unit in machine.units.values())


def test_every_shared_assumption_is_made_by_some_description():
    used = {assumption.name for name in MACHINES for assumption in _build(name).assumptions}
    assert set(catalog.shared_assumptions()[0]) <= used


@pytest.mark.parametrize("name", MACHINES)
def test_a_unit_can_draw_all_that_its_own_memory_gives(name):
    """Little's law: window over the unloaded round trip must not be what limits local traffic."""
    machine = _build(name)
    for unit in machine.units.values():
        if unit.kind == "dma":
            continue
        memory = machine.memories[unit.local_memory]
        round_trip_ps = 2 * machine.path(unit.name, memory.name).latency_ps + memory.latency_ps
        assert unit.window_bytes / (round_trip_ps * 1e-12) > memory.peak_bytes_per_s


@pytest.mark.parametrize("name", [name for name in MACHINES if _build(name).has_gpu])
def test_a_copy_engine_can_fill_every_link(name):
    machine = _build(name)
    home = machine.main_unit.local_memory
    dma = next(unit for unit in machine.copy_units if unit.local_memory == home)
    for memory in machine.memory_list:
        if memory.name == dma.local_memory or memory.flash is not None:  # a drive has an engine of its own
            continue
        data, there = machine.path(memory.name, dma.local_memory), machine.path(dma.name, memory.name)
        latency_ps = there.latency_ps + memory.latency_ps + data.latency_ps
        latency_ps += machine.memories[dma.local_memory].latency_ps
        slowest = min(machine.resources[index].bytes_per_s for index in data.resources)
        assert dma.window_bytes / (latency_ps * 1e-12) > slowest


def test_published_peaks():
    def peak(machine, memory):
        return _build(machine).memories[memory].peak_bytes_per_s

    assert peak("h100-cxl-ndp", "gpu.hbm") == 3.35e12
    assert peak("a100-monde", "gpu.hbm") == pytest.approx(2.039e12)
    assert peak("h100-cxl-ndp", "ndp.dram") == 512e9
    # Transfers per second are not Hz: bus bytes x transfers gives the peak.
    assert peak("h100-host", "host.dram") == pytest.approx(8 * 8 * 4800e6)
    assert peak("rtx4090-host", "host.dram") == pytest.approx(8 * 8 * 3200e6)
    assert peak("rtx4090-host", "gpu.gddr") == pytest.approx(384 / 8 * 21e9)
    assert peak("h100-cxl-memory", "memory.dram") == pytest.approx(8 * 4800e6)


def test_measured_shares_of_the_peak():
    def achieved(machine, memory):
        part = _build(machine).memories[memory]
        return part.peak_bytes_per_s * float(part.efficiency.share(0, False))

    assert achieved("h100-cxl-ndp", "gpu.hbm") == pytest.approx(3.12e12, rel=1e-3)
    assert achieved("a100-monde", "gpu.hbm") == pytest.approx(1.769e12, rel=1e-3)
    assert achieved("rtx4090-host", "gpu.gddr") == pytest.approx(0.913e12, rel=1e-3)
    assert achieved("h100-host", "host.dram") == pytest.approx(225e9, rel=1e-3)
    assert achieved("h100-cxl-ndp", "ndp.dram") == pytest.approx(0.915 * 512e9)


def test_standard_links_carry_what_is_measured():
    assert _build("h100-host-pcie4").links["gpu-host"].bytes_per_s == pytest.approx(25.9e9, rel=1e-3)
    assert _build("h100-host-pcie5").links["gpu-host"].bytes_per_s == pytest.approx(55.0e9, rel=1e-3)
    for lanes_rate, name in ((16e9, "h100-host-pcie4"), (32e9, "h100-host-pcie5")):
        raw = lanes_rate * 16 / 8 * 128 / 130  # 16 lanes, 128b/130b
        assert _build(name).links["gpu-host"].peak_bytes_per_s == pytest.approx(raw, rel=1e-3)


def test_a_small_read_through_one_cxl_switch_takes_the_measured_750_ns():
    machine = _build("h100-cxl-ndp")
    way = machine.path("gpu.dma", "ndp.dram")
    assert 2 * way.latency_ps + machine.memories["ndp.dram"].latency_ps == 750_000


def test_hbm_is_375_ns_from_a_multiprocessor():
    machine = _build("h100-cxl-ndp")
    way = machine.path("gpu.sm", "gpu.hbm")
    measured_ps = 657.5 / 1755e6 * 1e12
    assert 2 * way.latency_ps + machine.memories["gpu.hbm"].latency_ps == pytest.approx(measured_ps, rel=2e-3)


def test_gpu_compute_grows_along_the_catalog():
    """The same expert at many tokens: rtx-4090 < a100-80 < h100-sxm, in the order of their peaks."""
    from moe_cosim.hw_models.formats import BF16
    from moe_cosim.hw_models.shapes import ExpertShape

    shape = ExpertShape(4096, 14336)
    times = [
        int(_build(name).units["gpu.sm"].model.expert_ps(4096, shape, BF16))
        for name in ("rtx4090-host", "a100-monde", "h100-host")
    ]
    assert np.all(np.diff(times) < 0)


def test_each_device_has_a_dataflow_of_its_own():
    """MoNDE's arrays keep outputs, those of the CXL device weights; setting one leaves the other."""
    models = {}
    for name in ("a100-monde", "h100-cxl-ndp"):
        for settings in ({}, {"monde-array-dataflow": "ideal"}):
            machine = build_machine(name, Assumptions(settings))
            models[name, len(settings)] = machine.units["ndp.core"].model.dataflow
    assert [*models.values()] == ["output-stationary", "ideal", "weight-stationary", "weight-stationary"]
