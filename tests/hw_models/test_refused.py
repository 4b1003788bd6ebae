"""What is wrong with a description is said in one line: file, field, what was found, what is allowed."""

from __future__ import annotations

import re

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.merge import Places

_FORMS = "{value: ..., source: ...} or {assume: name} (a constant says where it comes from)"

DEVICE_MISTAKES = {
    "unknown key": (
        ("    kind: ndp\n    standard", "    kynd: ndp\n    standard"),
        "device.yaml: memories.dram.kynd: found an unknown field; allowed: one of capacity, channels, energy, "
        "interleave, internal_peak, kind, latency, peak, row_timeout, sequential_read, speed, standard "
        "(did you mean 'kind'?)",
    ),
    "absent key": (
        ('    channels: {value: 4, source: "test"}\n', ""),
        "device.yaml: memories.dram.channels: found nothing; allowed: this field must be given",
    ),
    "unit of its own making": (
        ('"100 GB/s"', '"64 GBps"'),
        "device.yaml: memories.dram.peak: found '64 GBps'; allowed: a rate such as '64 GB/s' (write '64 GB/s')",
    ),
    "unit of another dimension": (
        ('"100 GB/s"', '"100 GB"'),
        "device.yaml: memories.dram.peak: found '100 GB'; allowed: a rate such as '64 GB/s'",
    ),
    "number without a unit": (
        ('"100 GB/s"', "100"),
        "device.yaml: memories.dram.peak: found 100; allowed: a rate such as '64 GB/s' "
        "(with its unit: '100 GB/s', say)",
    ),
    "bare constant": (
        ('{value: "100 GB/s", source: "test"}', '"100 GB/s"'),
        f"device.yaml: memories.dram.peak: found '100 GB/s'; allowed: {_FORMS}",
    ),
    "no source": (
        ('{value: "100 GB/s", source: "test"}', '{value: "100 GB/s"}'),
        "device.yaml: memories.dram.peak.source: found nothing; allowed: text that says where the value comes from",
    ),
    "empty source": (
        ('{value: "100 GB/s", source: "test"}', '{value: "100 GB/s", source: " "}'),
        "device.yaml: memories.dram.peak.source: found ' '; allowed: text that says where the value comes from",
    ),
    "misspelt source": (
        ('{value: "100 GB/s", source: "test"}', '{value: "100 GB/s", sorce: "test"}'),
        "device.yaml: memories.dram.peak.sorce: found an unknown field; allowed: one of source, value "
        "(did you mean 'source'?)",
    ),
    "fraction of a channel": (
        ("channels: {value: 4,", "channels: {value: 4.5,"),
        "device.yaml: memories.dram.channels: found 4.5; allowed: a whole number of at least 1",
    ),
    "no rate at all": (
        ('"100 GB/s"', '"0 GB/s"'),
        "device.yaml: memories.dram.peak: found '0 GB/s'; allowed: more than zero",
    ),
    "assumption that nobody declares": (
        ("{assume: ndp-bit-scaling}", "{assume: ndp-bit-scalling}"),
        "device.yaml: units.core.model.bit_scaling.assume: found 'ndp-bit-scalling'; allowed: one of ",
    ),
    "assumption without a range": (
        (", range: [0.1, 1.0]", ""),
        "device.yaml: memories.dram.sequential_read.range: found nothing; allowed: an assumption has value, "
        "range and source",
    ),
    "assumption with an end of range in another unit": (
        ("range: [0.1, 1.0]", 'range: [0.1, "1 GB"]'),
        "device.yaml: memories.dram.sequential_read.range: found '1 GB'; allowed: a plain finite number",
    ),
    "NaN": (
        ("value: 0.5", "value: .nan"),
        "device.yaml: memories.dram.sequential_read.value: found nan; allowed: a finite number",
    ),
    "YAML tag": (
        ("title: test device", "title: !!python/object/apply:os.getcwd []"),
        "device.yaml: file: found line 2: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.getcwd'; allowed: plain YAML (no tags, unique keys)",
    ),
    "unknown DRAM": (
        ("standard: ddr5-4800", "standard: ddr5-4801"),
        "device.yaml: memories.dram.standard: found 'ddr5-4801'; allowed: one of ddr4-3200, ddr5-4800, "
        "ddr5-4800-x4, ddr5-5600, ddr5-6400, gddr6, gddr6x, gddr7, hbm2, hbm2e, hbm3, "
        "hbm3e, lpddr5, lpddr5x, sram (did you mean 'ddr5-4800'?)",
    ),
    "unknown unit model": (
        ("kind: systolic-arrays", "kind: systolic-array"),
        "device.yaml: units.core.model.kind: found 'systolic-array'; allowed: one of bank-gemv, cpu-kernels, "
        "measured-gpu, systolic-arrays, tile-gpu (did you mean 'systolic-arrays'?)",
    ),
    "memory of another device": (
        ("local_memory: dram", "local_memory: hbm"),
        "device.yaml: units.core.local_memory: found 'hbm'; allowed: one of dram",
    ),
    "an internal peak below the port's": (
        (
            '    latency: {value: "50 ns", source: "test"}',
            '    internal_peak: {value: "99 GB/s", source: "test"}\n    latency: {value: "50 ns", source: "test"}',
        ),
        "device.yaml: memories.dram.internal_peak: found 99 GB/s; allowed: at least the peak at the port, 100 GB/s",
    ),
    "an internal peak for nobody": (
        (
            '    latency: {value: "50 ns", source: "test"}',
            '    internal_peak: {value: "1 TB/s", source: "test"}\n    latency: {value: "50 ns", source: "test"}',
        ),
        "device.yaml: memories.dram.internal_peak: found 1 TB/s; allowed: a unit with inside: true in that memory",
    ),
    "a unit inside a memory without an internal peak": (
        ("    local_memory: dram", "    inside: true\n    local_memory: dram"),
        "device.yaml: units.core.inside: found True; allowed: an internal_peak of its memory dram",
    ),
    "inside, in a word": (
        ("    local_memory: dram", "    inside: 'yes'\n    local_memory: dram"),
        "device.yaml: units.core.inside: found 'yes'; allowed: true or false",
    ),
    "model of a copy engine": (
        ("    kind: ndp\n    lanes", "    kind: dma\n    lanes"),
        "device.yaml: units.core.model: found 'dma'; allowed: a model for every unit that computes, "
        "none for one that copies",
    ),
}

MACHINE_MISTAKES = {
    "unknown device": (
        ("device: h100-sxm", "device: h100-smx"),
        "machine.yaml: devices.gpu.device: found 'h100-smx'; allowed: one of a100-40, ",
    ),
    "unknown link": (
        ("link: pcie4-x16", "link: pcie2-x16"),
        "machine.yaml: links.wire.link: found 'pcie2-x16'; allowed: one of ",
    ),
    "absent device file": (
        ("./device.yaml", "./devise.yaml"),
        "machine.yaml: devices.ndp.device: found './devise.yaml'; allowed: an existing device description",
    ),
    "machine as a device": (
        ("device: h100-sxm", "device: ./machine.yaml"),
        "machine.yaml: kind: found 'machine'; allowed: 'device'",
    ),
    "description of another kind": (
        ("kind: machine", "kind: device"),
        "machine.yaml: kind: found 'device'; allowed: 'machine'",
    ),
    "unknown port": (
        ("gpu.pcie, ndp.pcie", "gpu.pcie, ndp.pci"),
        "machine.yaml: links.wire.ends: found 'ndp.pci'; allowed: one of gpu.pcie, ndp.pcie (did you mean 'ndp.pcie'?)",
    ),
    "three ends": (
        ("[gpu.pcie, ndp.pcie]", "[gpu.pcie, ndp.pcie, ndp.pcie]"),
        "machine.yaml: links.wire.ends: found ['gpu.pcie', 'ndp.pcie', 'ndp.pcie']; allowed: two ports, "
        "[gpu.pcie, ndp.pcie]",
    ),
    "device that nothing links": (
        ("links:\n  wire: {link: pcie4-x16, ends: [gpu.pcie, ndp.pcie]}\n", ""),
        "machine machine: links: found ndp.core, ndp.dram, ndp.hub not linked to the rest; allowed: a connected tree",
    ),
    "cycle": (
        (
            "links:\n",
            "  cxl: {device: cxl-switch}\nlinks:\n"
            "  a: {link: pcie4-x16, ends: [gpu.pcie, cxl.port]}\n"
            "  b: {link: pcie4-x16, ends: [cxl.port, ndp.pcie]}\n",
        ),
        "machine machine: links: found the cycle ",
    ),
    "two links side by side": (
        ("links:\n", "links:\n  again: {link: pcie4-x16, ends: [ndp.pcie, gpu.pcie]}\n"),
        "machine machine: links.wire: found gpu.xbar - ndp.hub; allowed: a tree: no parallel links",
    ),
    "count of nothing": (
        ("{device: ./device.yaml}", "{device: ./device.yaml, count: 0}"),
        "machine.yaml: devices.ndp.count: found 0; allowed: a whole number of at least 1",
    ),
    "bare constant laid over a device": (
        ("{device: ./device.yaml}", '{device: ./device.yaml, memories: {dram: {peak: "1 GB/s"}}}'),
        f"machine.yaml: devices.ndp.memories.dram.peak: found '1 GB/s'; allowed: {_FORMS}",
    ),
    "memory that the device does not have": (
        ("{device: ./device.yaml}", "{device: ./device.yaml, memories: {drum: {}}}"),
        "machine.yaml: devices.ndp.memories.drum: found 'drum'; allowed: one of dram (did you mean 'dram'?)",
    ),
    "one name for two assumptions": (
        (
            "{device: ./device.yaml}",
            "{device: ./device.yaml, memories: {dram: {peak: {assume: gpu-window, value: '100 GB/s', "
            "range: ['1 GB/s', '100 GB/s'], source: 'test'}}}}",
        ),
        "machine.yaml: devices.ndp.memories.dram.peak: found gpu-window declared again with another value, range, "
        "source or dimension; allowed: the declaration made first: ",
    ),
}


def _refusal(path: object) -> str:
    with pytest.raises(InputError) as caught:
        build_machine(path, Assumptions())  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return re.sub(r"^\S*/", "", message)  # the folder of the test's files


@pytest.mark.parametrize("name", DEVICE_MISTAKES)
def test_mistake_in_a_device(name, write):
    change, message = DEVICE_MISTAKES[name]
    _compare(_refusal(write(device=change)), message)


@pytest.mark.parametrize("name", MACHINE_MISTAKES)
def test_mistake_in_a_machine(name, write):
    change, message = MACHINE_MISTAKES[name]
    _compare(_refusal(write(machine=change)), message)


def test_the_files_are_right_before_they_are_broken(write):
    assert set(build_machine(write(), Assumptions()).units) == {"gpu.sm", "gpu.dma", "ndp.core"}


def test_unknown_machine_names_the_nearest():
    message = _refusal("h100-cxl-npd")
    assert message.startswith("experiment: machine: found 'h100-cxl-npd'; allowed: one of a100-")
    assert message.endswith("(did you mean 'h100-cxl-ndp'?)")


def _compare(found: str, expected: str) -> None:
    """Equal; an expectation that ends in a space says only how a long message begins."""
    assert found.startswith(expected) if expected.endswith(" ") else found == expected


def test_an_unknown_field_of_a_shared_assumption_is_named_in_its_own_file() -> None:
    told = {"value": "1 GHz", "range": ["1 GHz", "2 GHz"], "source": "test"}
    for more, refused in (({}, False), ({"reason": "none"}, True)):
        reading = Reading(Assumptions(), {"clock": {**told, **more}}, "shared.yaml")
        fields = Fields({"clock": {"assume": "clock"}}, reading, Places("device.yaml"))
        if refused:
            with pytest.raises(InputError, match=r"shared\.yaml: clock\.reason: found an unknown field"):
                fields.positive("clock", "Hz")
        else:
            assert fields.positive("clock", "Hz") == 1e9
