"""On a real SST: what must not matter does not, and unloaded latencies and rates are the machine's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.failures import SstDeadlockError, SstLibraryMissingError
from moe_cosim.sim.engines.sst.folder import write_run
from moe_cosim.sim.engines.sst.graph.catalogue import read_catalogue, shipped_catalogue
from moe_cosim.sim.engines.sst.graph.sst_info import OPTIONAL, catalogue_document
from moe_cosim.sim.engines.sst.installation import find_installation
from moe_cosim.sim.engines.sst.library import build_library
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.runner import run_folder
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import WAIT, Program
from tests.sim.engines.sst.machines import one_device, switched

pytestmark = [
    pytest.mark.live_sst,
    pytest.mark.skipif(shutil.which("sst") is None, reason="no SST on the PATH"),
]

MIB = 1 << 20


def busy_program(machine: Machine) -> Program:
    """All kinds of events, local and remote, over three devices."""
    made = ProgramBuilder(machine)
    for token in range(4):
        made.stream("gpu0.core.main", made.read("gpu0.dram", 70_000), made.read("ndp0.dram", 9_000, 100), busy_ps=500)
        made.copy("gpu0.core.copies", made.read("gpu0.dram", 30_000), made.write("ndp1.dram", 30_000))
        made.signal("gpu0.core.main", token)
        for device in ("ndp0", "ndp1"):
            made.wait(f"{device}.core.main", token)
            made.stream(f"{device}.core.main", made.read(f"{device}.dram", 50_000, 4096 * token), setup_ps=1_234)
            made.signal(f"{device}.core.main", 10 + token)
        made.wait("gpu0.core.main", 10 + token)
        made.compute("gpu0.core.main", 777)
    return made.build()


def simulate(machine: Machine, program: Program, **options: Any) -> Timeline:
    return SstEngine(SstOptions(time_limit_s=300, **options)).run(machine, program)


@pytest.mark.parametrize(
    "options", [{"configuration": "json"}, {"threads": 2}, {"ranks": 2}, {"ranks": 2, "threads": 2}]
)
def test_what_must_not_matter_does_not_to_the_picosecond(options: dict[str, Any]) -> None:
    machine = switched(2)
    program = busy_program(machine)
    serial = simulate(machine, program)
    other = simulate(machine, program, **options)
    assert np.array_equal(serial.start_ps, other.start_ps)
    assert np.array_equal(serial.end_ps, other.end_ps)


def test_ranks_do_not_matter_on_a_fabric_of_several_switches() -> None:
    machine = build_machine("h100-cxl-ndp-16-spine", Assumptions())
    made = ProgramBuilder(machine)
    made.stream("gpu.sm.main", made.read("ndp5.dram", 20_000))
    made.stream("ndp4.core.main", made.read("ndp9.dram", 20_000))
    program = made.build()
    serial, apart = simulate(machine, program), simulate(machine, program, ranks=2)
    assert np.array_equal(serial.end_ps, apart.end_ps)


@pytest.mark.parametrize("name", ["h100-cxl-ndp", "h100-host", "a100-monde", "h100-cxl-memory"])
@pytest.mark.parametrize("line_size", [64, 256])
def test_an_unloaded_line_takes_the_machines_round_trip(name: str, line_size: int) -> None:
    machine = build_machine(name, Assumptions())
    unit = next(iter(machine.units.values()))
    for memory in machine.memory_list:
        made = ProgramBuilder(machine)
        made.stream(f"{unit.name}.{unit.lanes[0]}", made.read(memory.name, 64))
        path = machine.path(unit.name, memory.name)
        share = memory.efficiency.share(0, False)
        channel_ps = 64 / (memory.peak_bytes_per_s / memory.channels * float(share)) * 1e12
        expected = 2 * path.latency_ps + memory.latency_ps + channel_ps
        found = simulate(machine, made.build(), line_size=line_size).total_ps
        assert expected - 1 <= found <= expected + 2_000


@pytest.mark.parametrize("line_size", [64, 256, 4096])
def test_a_long_transfer_runs_at_the_links_payload_rate(line_size: int) -> None:
    machine = switched(1)
    for operation in ("read", "write"):
        made = ProgramBuilder(machine)
        made.stream("gpu0.core.main", getattr(made, operation)("ndp0.dram", MIB))
        found = simulate(machine, made.build(), line_size=line_size).total_ps
        rate_ps = MIB / 32e9 * 1e12
        trip_ps = 2 * machine.path("gpu0.core", "ndp0.dram").latency_ps + machine.memories["ndp0.dram"].latency_ps
        assert rate_ps * 0.999 <= found <= (rate_ps + trip_ps) * 1.01


def test_a_window_limits_a_stream() -> None:
    machine = one_device(window_bytes=4096)
    made = ProgramBuilder(machine)
    made.stream("gpu.core.main", made.read("gpu.dram", MIB))
    trip_ps = 2 * machine.path("gpu.core", "gpu.dram").latency_ps + machine.memories["gpu.dram"].latency_ps
    found = simulate(machine, made.build(), line_size=64).total_ps
    assert found >= MIB / 4096 * trip_ps
    assert found <= 1.2 * MIB / 4096 * trip_ps


def test_a_deadlock_names_the_waiting_lane() -> None:
    machine = switched(1)
    made = ProgramBuilder(machine).signal("gpu0.core.main", 0).wait("ndp0.core.main", 0)
    program = made.build()
    program.events["count"][program.events["kind"] == WAIT] = 2
    with pytest.raises(SstDeadlockError, match="1 of 2 signals"):
        simulate(machine, program)


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    machine = one_device()
    emitted = write_run(tmp_path / "run", machine, ProgramBuilder(machine).compute("gpu.core.main", 5).build(), 64)
    with pytest.raises(SstLibraryMissingError, match="moecosim"):
        run_folder(emitted, find_installation(), tmp_path, SstOptions())


def test_the_shipped_catalogue_is_the_installed_one() -> None:
    installation = find_installation()
    if installation.version != shipped_catalogue().sst_version:
        pytest.skip(f"SST {installation.version} is not the catalogue's")
    installed = read_catalogue(catalogue_document(installation, build_library(installation)))
    shipped = shipped_catalogue().elements
    assert installed.elements == {name: shipped[name] for name in shipped if name in installed.elements}
    assert shipped.keys() - installed.elements.keys() <= set(OPTIONAL)
