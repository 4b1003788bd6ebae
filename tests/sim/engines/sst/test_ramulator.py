"""What Ramulator 2.0 is told, and who is refused."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst import installation as installations
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.folder import write_run
from moe_cosim.sim.engines.sst.installation import find_installation, has_ramulator
from moe_cosim.sim.engines.sst.ramulator import mapper
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program
from tests.sim.engines.sst.machines import Parts, one_device
from tests.sim.engines.sst.test_engine import installation
from tests.sim.engines.sst.test_memories import controllers, told

_MIB = 1 << 20
_REFRESHED = Controller("RoRaBaCoBgPc", 64, 64, refresh="all-bank")


def reading(machine: Machine, size: int = _MIB) -> Program:
    made = ProgramBuilder(machine)
    return made.stream("gpu.core.main", made.read("gpu.dram", size)).build()


def written(folder: Path, name: str, controller: Controller = _REFRESHED) -> dict[str, Any]:
    """The file that a run writes for its one memory."""
    machine = told(one_device(), read_standard(name), controller)
    write_run(folder, machine, reading(machine), 256, "ramulator2")
    (path,) = folder.glob("*.yaml")
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def test_the_configuration_has_ramulators_parts(tmp_path: Path) -> None:
    said = written(tmp_path, "ddr4-3200")
    system = said["MemorySystem"]
    assert said["Frontend"] == {"impl": "SST"}
    assert (system["impl"], system["DRAM"]["impl"], system["AddrMapper"]) == (
        "GenericDRAM",
        "DDR4",
        {"impl": "MOP4CLXOR"},
    )
    assert system["Controller"] == {
        "impl": "Generic",
        "wr_high_watermark": 0.8,
        "wr_low_watermark": 0.2,
        "Scheduler": {"impl": "FRFCFS"},
        "RefreshManager": {"impl": "AllBank"},
        "RowPolicy": {"impl": "OpenRowPolicy"},
    }
    # what DDR4.cpp of Ramulator 2.0 reads but for rate and tCK_ps: it stops where one is missing
    named = "nBL nCL nRCD nRP nRAS nRC nWR nRTP nCWL nCCDS nCCDL nRRDS nRRDL nWTRS nWTRL nFAW nRFC nREFI nCS"
    assert set(system["DRAM"]["timing"]) == {"rate", *named.split()}


@pytest.mark.parametrize("name", ["ddr4-3200", "ddr5-4800", "ddr5-4800-x4", "ddr5-5600"])
def test_ramulators_clocks_are_the_catalogues(tmp_path: Path, name: str) -> None:
    standard = read_standard(name)
    dram = written(tmp_path, name)["MemorySystem"]["DRAM"]
    clocks, t = dram["timing"], standard.timings
    for timing in ("tCL", "tRCD", "tRP", "tRAS", "tRC", "tWR", "tRTP", "tCWL", "tFAW", "tREFI", "tCS"):
        assert clocks["n" + timing[1:]] == t[timing]
    for timing in ("tCCD_S", "tCCD_L", "tRRD_S", "tRRD_L"):
        assert clocks["n" + timing[1:].replace("_", "")] == t[timing]
    assert clocks["nBL"] * standard.transfers_per_clock * standard.data_bits == 8 * standard.access_bytes
    assert clocks["rate"] == standard.megatransfers_per_s
    if dram["impl"] == "DDR4":
        assert (clocks["nWTRS"], clocks["nWTRL"], clocks["nRFC"]) == (t["tWTR_S"], t["tWTR_L"], t["tRFC"])
    else:  # command to command there, from the end of the burst here
        end = t["tCWL"] + standard.burst_clocks
        assert (clocks["nCCDS_WTR"] - end, clocks["nCCDL_WTR"] - end) == (t["tWTR_S"], t["tWTR_L"])
        assert (clocks["nCCDS_WR"], clocks["nCCDL_WR"]) == (t["tCCD_S_WR"], t["tCCD_L_WR"])
        assert clocks["nRFC1"] == t["tRFC"]


@pytest.mark.parametrize("name", ["ddr4-3200", "ddr5-4800-x4"])
def test_ramulators_organisation_holds_the_standards_bytes(tmp_path: Path, name: str) -> None:
    standard = read_standard(name)
    org = written(tmp_path, name)["MemorySystem"]["DRAM"]["org"]
    cells = math.prod(org[level] for level in ("rank", "bankgroup", "bank", "row", "column"))
    assert cells * org["channel_width"] == 8 * standard.capacity_bytes
    assert cells // org["rank"] * org["dq"] == org["density"] << 20
    assert org["channel"] == 4


def test_without_refresh_none_comes_within_a_run(tmp_path: Path) -> None:
    off = written(tmp_path, "ddr5-4800", replace(_REFRESHED, refresh="off"))
    standard = read_standard("ddr5-4800")
    assert off["MemorySystem"]["DRAM"]["timing"]["nREFI"] * standard.clock_ns > 1e8


@pytest.mark.parametrize(
    ("mapping", "nearest"),
    [
        ("RoBaRaCoCh", "RoBaRaCoCh"),
        ("RoRaBaCoBgPc", "MOP4CLXOR"),
        ("MOP4CLXOR", "MOP4CLXOR"),
        ("Column[6] BankGroup[3] Bank[2] Row[16]", "RoBaRaCoCh"),
        ("BankGroup[3] Column[6] Bank[2] Row[16]", "MOP4CLXOR"),
    ],
)
def test_the_mapper_is_the_one_that_leaves_a_bank_as_soon(mapping: str, nearest: str) -> None:
    assert mapper(mapping, read_standard("ddr5-4800")) == nearest


@pytest.mark.parametrize("name", ["hbm3", "hbm2e", "lpddr5x", "gddr6", "gddr7"])
def test_standards_that_ramulator_has_not_so_are_refused_by_name(name: str) -> None:
    standard = read_standard(name)
    with pytest.raises(InputError) as refused:
        controllers(told(one_device(), standard), "ramulator2")
    said = str(refused.value)
    assert f"{standard.title} of gpu.dram" in said
    assert "DDR4 (8), DDR5 (16)" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "field"), [({"refresh": "per-bank"}, "refresh"), ({"page_policy": "closed"}, "page_policy")]
)
def test_what_ramulators_controller_is_not_asked_for_is_refused(change: dict[str, str], field: str) -> None:
    controller = replace(_REFRESHED, **change)
    with pytest.raises(InputError, match=rf"{field}: found .* of gpu\.dram"):
        controllers(told(one_device(), read_standard("ddr5-4800"), controller), "ramulator2")


def test_channels_that_ramulators_mappers_cannot_deal_are_refused() -> None:
    machine = told(Parts().device("gpu", channels=12).machine(), read_standard("ddr5-4800"))
    with pytest.raises(InputError, match=r"12 channels of gpu\.dram.*power of two"):
        controllers(machine, "ramulator2")


def test_the_graph_reads_the_file_beside_it(tmp_path: Path) -> None:
    machine = told(one_device(), read_standard("ddr5-4800"))
    (part,) = controllers(machine, "ramulator2")
    (delay,) = part.children
    (backend,) = delay.children
    assert (delay.type, backend.type) == ("memHierarchy.DelayBuffer", "memHierarchy.ramulator2")
    assert part.parameters["clock"] == "2400MHz"
    assert backend.parameters["request_width"] == 64
    write_run(tmp_path, machine, reading(machine), 256, "ramulator2")
    assert (tmp_path / str(backend.parameters["configFile"])).is_file()
    write_run(tmp_path / "other", machine, reading(machine), 256, "commands")
    assert not list((tmp_path / "other").glob("*.yaml"))


def test_a_run_says_what_of_the_controller_is_ramulators() -> None:
    machine = told(one_device(), read_standard("ddr5-4800"), _REFRESHED)
    mapping, queue = SstEngine.from_options({"memory": "ramulator2"}, "test").assumed(machine)
    assert (mapping.name, mapping.value) == ("ramulator-mapping", "MOP4CLXOR")
    assert "RoRaBaCoBgPc" in mapping.source
    assert queue.value == 33
    assert SstEngine.from_options({"memory": "commands"}, "test").assumed(machine) == []


@pytest.fixture
def sst_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SST whose memHierarchy has no such back end."""
    info = tmp_path / "sst-info"
    info.write_text("#!/bin/sh\necho 'SubComponents (43 total)'\n")
    info.chmod(0o755)
    found = installation(tmp_path, "exit 0")
    monkeypatch.setattr(installations, "find_installation", lambda: found)
    monkeypatch.setattr("moe_cosim.sim.engines.sst.engine.find_installation", lambda: found)


@pytest.mark.usefixtures("sst_without")
def test_an_sst_without_the_back_end_is_told_in_one_line() -> None:
    machine = told(one_device(), read_standard("ddr5-4800"))
    with pytest.raises(InputError, match="built without Ramulator 2") as refused:
        SstEngine.from_options({"memory": "ramulator2"}, "test").run(machine, reading(machine))
    assert "\n" not in str(refused.value)
    assert "Ramulator 2 back end: none (ramulator2 is refused)" in installations.doctor_lines()[0]


def _is_there() -> bool:
    return shutil.which("sst") is not None and has_ramulator(find_installation())


@pytest.mark.live_sst
class TestLiveRamulator:
    @pytest.fixture(autouse=True)
    def built_in(self) -> None:
        if not _is_there():
            pytest.skip("no SST with Ramulator 2 on the PATH")

    @pytest.mark.parametrize("name", ["ddr4-3200", "ddr5-4800"])
    def test_a_stream_runs_as_command_by_command(self, name: str) -> None:
        machine = told(one_device(), read_standard(name), _REFRESHED)
        program = reading(machine, 4 * _MIB)
        took = [
            SstEngine.from_options({"memory": memory}, "test").run(machine, program).total_ps
            for memory in ("commands", "ramulator2")
        ]
        assert took[1] == pytest.approx(took[0], rel=0.02)
