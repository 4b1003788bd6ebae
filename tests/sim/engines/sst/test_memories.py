"""Back ends told of organisation and timings, as the graph says them; on real SST what they come to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import DramStandard, read_standard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.catalogue import shipped_catalogue
from moe_cosim.sim.engines.sst.graph.graph import Component
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.workloads.programs.builder import ProgramBuilder
from tests.sim.engines.sst.machines import one_device, switched

_NO_REFRESH = Controller("RoRaBaCoBgPc", 64, 64, refresh="off")
_MIB = 1 << 20
live_sst = [pytest.mark.live_sst, pytest.mark.skipif(shutil.which("sst") is None, reason="no SST on the PATH")]


def told(machine: Machine, standard: DramStandard, controller: Controller = _NO_REFRESH) -> Machine:
    """The machine on channels of this standard."""

    def change(memory: Memory) -> Memory:
        peak = standard.peak_bytes_per_s * memory.channels
        return replace(memory, dram=DramMemory(standard, controller), peak_bytes_per_s=peak)

    memories = [change(memory) for memory in machine.memories.values()]
    units, links, switches = (list(parts.values()) for parts in (machine.units, machine.links, machine.switches))
    return Machine(machine.name, units, memories, links, switches)


def controllers(machine: Machine, memory: MemoryTiming) -> list[Component]:
    graph = build_graph(machine, BuildOptions(256, memory=memory))
    return [part for part in graph.components if part.type == "memHierarchy.MemController"]


@pytest.mark.parametrize("name", ["ddr4-3200", "ddr5-4800-x4", "hbm3", "lpddr5"])
def test_our_element_is_told_the_standards_timings_and_no_share(name: str) -> None:
    standard = read_standard(name)
    (part,) = controllers(told(one_device(), standard), "commands")
    (backend,) = part.children
    said = backend.parameters
    assert backend.type == "moecosim.CommandBackend"
    assert not any("efficiency" in parameter or "bandwidth" in parameter for parameter in said)
    known = shipped_catalogue().find(backend.type, "test").parameters
    for timing, clocks in standard.timings.items():
        assert timing not in known or said[timing] == clocks
    assert {"tFAW", "tCCD_L", "tRAS", "tRFC", "tREFI", "tWTR_L"} <= set(said)
    assert float(str(said["clock_period"]).removesuffix("fs")) == pytest.approx(standard.clock_ns * 1e6, abs=0.5)


def test_the_mapping_covers_every_bit_of_an_access_number() -> None:
    standard = read_standard("hbm3")
    for mapping in ("RoBaRaCoCh", "RoRaBaCoBgPc", "MOP4CLXOR"):
        (part,) = controllers(told(one_device(), standard, replace(_NO_REFRESH, mapping=mapping)), "commands")
        fields = str(part.children[0].parameters["mapping"])
        bits = sum(int(text.partition("]")[0]) for text in fields.split("[")[1:])
        assert 2**bits * standard.access_bytes == standard.capacity_bytes
        assert part.children[0].parameters["mixes_columns"] == int(mapping == "MOP4CLXOR")


def test_stock_timing_keeps_clear_of_what_stops_it() -> None:
    """It wants an id of its own, and stops (SIGFPE) at an interleaving beyond a row."""
    found = controllers(told(switched(), read_standard("ddr5-4800-x4")), "timing")
    assert len(found) > 1
    stock = [part.children[0].children[0] for part in found]
    assert len({child.parameters["id"] for child in stock}) == len(stock)
    for child in stock:
        block, row = (int(str(child.parameters[f"addrMapper.{n}"])[:-1]) for n in ("interleave_size", "row_size"))
        assert block <= row
    assert found[0].parameters["clock"] == "2400MHz"


@pytest.mark.parametrize("memory", ["commands", "timing", "ramulator2"])
def test_a_memory_without_timings_is_refused(memory: MemoryTiming) -> None:
    with pytest.raises(InputError, match="no DRAM timings") as refused:
        controllers(one_device(), memory)
    assert "\n" not in str(refused.value)


def test_closed_pages_are_refused_by_our_element() -> None:
    with pytest.raises(InputError, match="page_policy"):
        controllers(told(one_device(), read_standard("hbm3"), replace(_NO_REFRESH, page_policy="closed")), "commands")


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(InputError, match="memory"):
        SstEngine.from_options({"memory": "timng"}, "test")
    for known in get_args(MemoryTiming):
        SstEngine.from_options({"memory": known}, "test")


class TestLive:
    pytestmark = live_sst

    @pytest.mark.parametrize(
        ("name", "memory"), [("ddr5-4800-x4", "commands"), ("hbm3", "commands"), ("ddr5-4800-x4", "timing")]
    )
    def test_a_stream_without_refresh_runs_at_the_peak(self, name: str, memory: str) -> None:
        machine = told(one_device(), read_standard(name))
        made = ProgramBuilder(machine)
        program = made.stream("gpu.core.main", made.read("gpu.dram", 4 * _MIB)).build()
        timeline = SstEngine.from_options({"memory": memory}, "test").run(machine, program)
        peak = next(iter(machine.memories.values())).peak_bytes_per_s
        assert 4 * _MIB / timeline.total_ps * 1e12 == pytest.approx(peak, rel=0.03)

    def test_refresh_takes_its_share(self) -> None:
        """A read of 40 refresh intervals loses tRFC of each tREFI, and the rows to open anew."""
        standard = read_standard("ddr5-4800-x4")
        took = []
        for refresh in ("off", "all-bank"):
            machine = told(one_device(), standard, replace(_NO_REFRESH, refresh=refresh))
            made = ProgramBuilder(machine)
            program = made.stream("gpu.core.main", made.read("gpu.dram", 12 * _MIB)).build()
            took.append(SstEngine.from_options({"memory": "commands"}, "test").run(machine, program).total_ps)
        lost = standard.timings["tRFC"] / standard.timings["tREFI"]
        assert took[0] / took[1] == pytest.approx(1 - lost, abs=0.02)

    def test_one_bank_opens_a_row_every_row_cycle(self) -> None:
        """Reads of one access in rows of one bank, one after the other: tRC each."""
        standard = read_standard("ddr4-3200")
        machine = told(one_device(), standard, Controller("RoBaRaCoCh", 64, 64, refresh="off"))
        memory = next(iter(machine.memories.values()))
        apart = standard.row_bytes * standard.banks * memory.channels
        made = ProgramBuilder(machine)
        made.stream("gpu.core.main", made.read(memory.name, 64))
        for row in range(1, 400):
            made.go_on("gpu.core.main", made.read(memory.name, 64, row * apart % memory.capacity_bytes))
        timeline = SstEngine.from_options({"memory": "commands", "line_size": 64}, "test").run(machine, made.build())
        each_ns = timeline.total_ps / 1000 / 400
        assert each_ns == pytest.approx(standard.timings["tRC"] * standard.clock_ns, rel=0.03)

    def test_posted_writes_and_reads_of_two_lanes_end(self) -> None:
        machine = told(one_device(), read_standard("hbm3"))
        made = ProgramBuilder(machine)
        made.stream("gpu.core.main", made.read("gpu.dram", _MIB), made.write("gpu.dram", _MIB, 8 * _MIB))
        timeline = SstEngine.from_options({"memory": "commands"}, "test").run(machine, made.build())
        assert (np.diff([timeline.start_ps, timeline.end_ps], axis=0) > 0).all()
