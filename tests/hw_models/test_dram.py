"""What a memory's DRAM gives to access patterns, and what a description may say of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device
from moe_cosim.hw_models.components import AccessEfficiency, Memory
from moe_cosim.hw_models.dram.memory import DramMemory, random_blocks, stream, with_sequential_read
from moe_cosim.hw_models.dram.mix import asked
from moe_cosim.hw_models.dram_timing import ask as ask_module
from moe_cosim.hw_models.dram_timing.achieved import simulate_pattern
from moe_cosim.hw_models.dram_timing.ask import key_of
from moe_cosim.hw_models.dram_timing.recorded import recorded


def _device(name: str, **changes: Any) -> dict[str, Memory]:
    """Memories of a device of the catalogue by their names in it, with `changes` of the first one."""
    path = catalog.find(name, "device")
    tree = catalog.read(path, "device")
    for field, value in changes.items():
        next(iter(tree["memories"].values()))[field] = value
    return {memory.name.partition(".")[2]: memory for memory in build_device(tree, path, Assumptions()).memory_list}


def _memories() -> Iterator[Any]:
    for entry in catalog.entries("device"):
        if "memories" in catalog.read(entry.path, "device"):
            for name, memory in _device(entry.name).items():
                yield pytest.param(memory, id=f"{entry.name}.{name}")


MEMORIES = list(_memories())
TIMED = [each for each in MEMORIES if each.values[0].dram is not None]


@pytest.mark.parametrize("memory", TIMED)
def test_peak_channels_and_speed_agree(memory: Memory) -> None:
    dram = memory.dram
    assert dram is not None
    assert memory.channels * dram.standard.peak_bytes_per_s == pytest.approx(memory.peak_bytes_per_s, rel=1e-4)
    low, high = dram.standard.speeds_megatransfers_per_s
    assert 0.99 * low <= dram.standard.megatransfers_per_s <= 1.01 * high


@pytest.mark.parametrize("memory", TIMED)
def test_nothing_that_the_catalogue_asks_is_simulated(memory: Memory) -> None:
    dram = memory.dram
    assert dram is not None
    for pattern in asked(memory):
        assert recorded(key_of(dram.standard, dram.controller, pattern)), "run benchmarks/dram_answers.py"


@pytest.mark.parametrize("name", ["h100-sxm", "epyc-9654", "host-ddr4"])
@pytest.mark.parametrize("pattern", [stream(1.0), random_blocks(256, 0.0)], ids=["stream", "random"])
def test_an_answer_that_is_shipped_is_what_the_simulation_says(name: str, pattern: Any) -> None:
    dram = next(iter(_device(name).values())).dram
    assert dram is not None
    shipped = recorded(key_of(dram.standard, dram.controller, pattern))
    assert simulate_pattern(dram.standard, dram.controller, pattern) == shipped


def test_a_shipped_answer_is_not_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("simulated")

    monkeypatch.setattr(ask_module, "simulate_pattern", refuse)
    dram = _device("host-ddr4")["dram"].dram
    assert dram is not None
    assert 0 < dram.share(stream(1.0)) <= 1


@pytest.mark.parametrize("memory", [each for each in MEMORIES if each.values[0].kind != "flash"])
def test_longer_blocks_never_do_worse(memory: Memory) -> None:
    table = memory.efficiency
    blocks = np.geomspace(16, 1 << 24, 200)
    for is_write in (False, True):
        assert np.all(np.diff(table.share(blocks, is_write)) >= -1e-12)
    assert float(table.share(0, False)) == table.read[-1]  # 0: as long as can be


def test_a_channel_sees_pieces_of_a_block_until_it_sweeps_all_channels() -> None:
    memory = _device("host-ddr4")["dram"]  # 8 channels, interleaved by 256 B
    dram = memory.dram
    assert dram is not None
    share = memory.efficiency.share
    piece = dram.share(random_blocks(256, 1.0))
    assert float(share(256, False)) == float(share(2048, False)) == piece
    assert float(share(8 * 1024, False)) == pytest.approx(dram.share(random_blocks(1024, 1.0)), rel=0.01)
    assert float(share(8 * 1024, False)) > 2 * piece


@pytest.mark.parametrize("memory", TIMED)
def test_a_measured_stream_stands_in_the_place_of_what_the_model_says(memory: Memory) -> None:
    dram = memory.dram
    assert dram is not None
    said = dram.share(stream(1.0)) if dram.measured_read is None else dram.measured_read
    assert float(memory.efficiency.share(0, False)) == said


@given(share=st.floats(0.05, 1.0), block=st.integers(0, 1 << 24), is_write=st.booleans())
def test_a_measured_stream_is_met_and_bounds_every_other_pattern(share: float, block: int, is_write: bool) -> None:
    table = AccessEfficiency((64.0, 4096.0, 65536.0), (0.4, 0.8, 0.9), (0.3, 0.7, 0.8))
    measured = with_sequential_read(table, share)
    assert measured.read[-1] == share
    assert measured.write[-1] == pytest.approx(min(1.0, table.write[-1] / table.read[-1] * share))
    found = float(measured.share(block, is_write))
    assert 0 < found <= (measured.write[-1] if is_write else share) + 1e-12


def _said(value: object) -> dict[str, object]:
    return {"value": value, "source": "a test"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"peak": _said("300 GB/s")},
            "peak: found 300 GB/s; allowed: 204.8 GB/s, which is 8 channels of 64 bits",
        ),
        ({"channels": _said(4)}, "peak: found 204.8 GB/s; allowed: 102.4 GB/s, which is 4 channels of 64 bits"),
        ({"speed": _said("2666 MT/s")}, "peak: found 204.8 GB/s; allowed: 170.6 GB/s"),
        ({"speed": _said("3200 MHz")}, "speed: found '3200 MHz'; allowed: a transfer rate such as '6400 MT/s'"),
        (
            {"speed": _said("6400 MT/s"), "channels": _said(4)},
            "peak: found 6400 MT/s a pin, with 4 channels",
        ),
        ({"standard": "sram"}, "speed: found a speed; allowed: none: sram holds shares of the peak"),
    ],
)
def test_a_memory_that_contradicts_its_standard(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        _device("host-ddr4", **changes)
    assert f"memories.dram.{says}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_assumptions_about_the_controller_reach_it() -> None:
    path = catalog.find("host-ddr4", "device")
    chosen = Assumptions({"dram-queue": 32, "dram-mapping": "MOP4CLXOR", "dram-refresh": "off"})
    (memory,) = build_device(catalog.read(path, "device"), path, chosen).memory_list
    assert isinstance(memory.dram, DramMemory)
    controller = memory.dram.controller
    assert (controller.read_queue, controller.mapping, controller.refresh) == (32, "MOP4CLXOR", "off")
