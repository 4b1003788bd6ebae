"""What an experiment may change of a machine, and that what it changed is traced to it."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine, build_with_origins
from moe_cosim.remembered import Remembered


def _build(settings=None, assumed=None, name="h100-cxl-ndp"):
    return build_machine(name, Assumptions(assumed), settings)


def test_count_numbers_the_instances_and_links_each():
    machine = _build({"devices.ndp.count": 3})
    assert [unit.name for unit in machine.near_data_units] == ["ndp0.core", "ndp1.core", "ndp2.core"]
    assert [link.ends for name, link in machine.links.items() if name.startswith("cxl-ndp")] == [
        ("cxl.ports", f"ndp{i}.hub") for i in range(3)
    ]
    assert {unit.local_memory for unit in machine.near_data_units} == {f"ndp{i}.dram" for i in range(3)}


def test_count_of_one_keeps_the_plain_name():
    assert "ndp.core" in _build({"devices.ndp.count": 1}).units


def test_four_devices_of_the_catalog_are_the_one_device_counted():
    catalogued, counted = _build(name="h100-cxl-ndp-4"), _build({"devices.ndp.count": 4})
    assert catalogued.units == counted.units
    assert catalogued.memories == counted.memories
    assert catalogued.links == counted.links


def test_memories_start_at_multiples_of_a_tebibyte_and_do_not_overlap():
    machine = _build({"devices.ndp.count": 3, "devices.ndp.memories.dram.capacity": "2 TB"})
    bases = [memory.base_address >> 40 for memory in machine.memory_list]
    assert bases == [1, 2, 4, 6]  # 2 TB is a little less than 2 TiB
    assert all(memory.base_address == base << 40 for memory, base in zip(machine.memory_list, bases, strict=True))
    for memory, following in zip(machine.memory_list, machine.memory_list[1:], strict=False):
        assert memory.base_address + memory.capacity_bytes <= following.base_address


def test_a_plain_value_counts_as_set_by_the_experiment():
    field = "devices.ndp.memories.dram.capacity"
    machine, origins = build_with_origins("h100-cxl-ndp", Assumptions(), {field: "256 GB"})
    assert machine.memories["ndp.dram"].capacity_bytes == 256 * 10**9
    (origin,) = [origin for origin in origins if origin.field == field]
    assert (origin.value, origin.source, origin.assumption) == ("256 GB", "set by the experiment", "")


def test_a_setting_in_place_of_an_assumption_ends_the_assumption():
    machine = _build({"links.gpu-cxl.peak": "32 GB/s", "links.cxl-ndp.peak": "32 GB/s"})
    assert machine.links["gpu-cxl"].peak_bytes_per_s == 32e9
    assert "cxl-link-rate" not in {assumption.name for assumption in machine.assumptions}


def test_other_descriptions_may_be_chosen():
    machine = _build({"devices.ndp.device": "monde-ndp", "links.gpu-cxl.link": "pcie5-x16"})
    assert machine.memories["ndp.dram"].standard.startswith("LPDDR5X")
    assert machine.links["gpu-cxl"].bytes_per_s == pytest.approx(55e9, rel=1e-4)


def test_an_assumption_may_be_given_another_value():
    machine = _build(assumed={"cxl-link-rate": "32 GB/s", "ndp-array-dataflow": "ideal"})
    assert machine.links["gpu-cxl"].peak_bytes_per_s == machine.links["cxl-ndp"].peak_bytes_per_s == 32e9
    assert machine.units["ndp.core"].model.dataflow == "ideal"
    assert {a.name: a.value for a in machine.assumptions}["cxl-link-rate"] == "32 GB/s"


def test_the_host_link_and_the_cxl_link_are_assumptions_of_their_own():
    assumed = {"host-link-rate": "25.9 GB/s"}
    assert _build(assumed=assumed, name="h100-host").links["gpu-host"].bytes_per_s == 25.9e9
    assert _build(assumed=assumed).links["gpu-cxl"].bytes_per_s == 64e9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"devices.npd.count": 2},
            "experiment: set.devices.npd: found 'npd'; allowed: one of cxl, gpu, ndp (did you mean 'ndp'?)",
        ),
        (
            {"devices.ndp.memories.dram.capasity": "1 GB"},
            "experiment: set.devices.ndp.memories.dram.capasity: found an unknown field; allowed: one of capacity, "
            "channels, energy, interleave, internal_peak, kind, latency, peak, row_timeout, sequential_read, speed, "
            "standard "
            "(did you mean 'capacity'?)",
        ),
        (
            {"devices.ndp.memories.dram.capacity": 512},
            "experiment: set.devices.ndp.memories.dram.capacity: found 512; allowed: a size such as '80 GB' or '4 KiB' "
            "(with its unit: '512 GB', say)",
        ),
        (
            {"devices.ndp.count": "4"},
            "experiment: set.devices.ndp.count: found '4'; allowed: a whole number of at least 1",
        ),
        (
            {"devices.ndp.memories": "none"},
            "experiment: set.devices.ndp.memories: found 'none'; allowed: a mapping of fields",
        ),
        (
            {"devices.ndp": 1, "devices.ndp.count": 2},
            "experiment: set.devices.ndp.count: found 'devices.ndp.count'; allowed: a path that no other setting "
            "replaces",
        ),
        (
            {"devices.gpu.count": 2, "devices.cxl.count": 3},
            "h100-cxl-ndp.yaml: links.gpu-cxl.ends: found ['gpu.pcie', 'cxl.port']; allowed: counts of which one "
            "divides the other",
        ),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        _build(settings)
    assert str(caught.value).endswith(message)


def test_an_assumption_outside_its_range_is_refused():
    with pytest.raises(InputError) as caught:
        _build(assumed={"cxl-link-rate": "128 GB/s"})
    assert str(caught.value) == (
        "experiment: assumptions.cxl-link-rate: found '128 GB/s'; allowed: between 25.9 GB/s and 64 GB/s"
    )


def test_devices_read_before_are_those_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other machines were built in between, with other settings of the same devices."""
    variations: list[tuple[str, dict[str, object], dict[str, object]]] = [
        ("h100-cxl-ndp", {}, {}),
        ("h100-cxl-ndp", {"devices.ndp.count": 3}, {}),
        ("h100-cxl-ndp", {"devices.ndp.memories.dram.capacity": "1 TB"}, {}),
        ("h100-cxl-ndp", {}, {"cxl-link-rate": "32 GB/s", "gpu-window": "3 MB"}),
        ("h100-cxl-ndp-4", {"links.gpu-cxl.peak": "9 GB/s"}, {"ndp-window": "8 KiB"}),
        ("a100-monde", {}, {"gpu-window": "4 MB"}),
        ("h100-amx-dimm-ndp", {}, {}),
    ]

    def built(name: str, settings: dict[str, object], assumed: dict[str, object]) -> str:
        assumptions = Assumptions(assumed)
        try:
            machine, origins = build_with_origins(name, assumptions, settings)
        except InputError as error:
            return str(error)
        parts = [machine.units, machine.memories, machine.links, machine.switches, machine.peers]
        return repr((parts, machine.assumptions, origins, assumptions.used()))

    together = [built(*variation) for _ in range(2) for variation in variations]
    for index, variation in enumerate(variations):
        monkeypatch.setattr("moe_cosim.hw_models.build._DEVICES", Remembered(1))
        assert built(*variation) == together[index] == together[index + len(variations)]
