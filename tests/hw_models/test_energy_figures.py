"""Energies in descriptions: read, scaled, refused; and rows opened by the timing model."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.dram.row_activations import row_activations
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.quantity import format_quantity, parse_quantity
from moe_cosim.sim.run import run
from tests.sim.tiny import Tiny


def _machine(name: str, **settings: object) -> Machine:
    return build_machine(name, Assumptions(), {path.replace("__", "."): value for path, value in settings.items()})


@pytest.mark.parametrize("name", [entry.name for entry in catalog.entries("machine")])
def test_every_part_of_the_catalogues_machines_has_figures(name: str) -> None:
    machine = _machine(name)
    assert all(part.energy is not None for part in machine.memory_list if part.kind != "flash")
    assert all(part.energy is not None for part in machine.units.values() if part.role != Role.COPY)
    assert all(peer.energy is not None for peer in machine.peers.values())


def test_background_and_refresh_grow_with_the_capacity() -> None:
    small, large = (
        _machine("h100-host", devices__host__memories__dram__capacity=size).memories["host.dram"].energy
        for size in ("64 GB", "512 GB")
    )
    assert small is not None
    assert large is not None
    assert large.background_w == pytest.approx(8 * small.background_w)
    assert large.refresh_w == pytest.approx(8 * small.refresh_w)
    assert large.read_j_per_bit == small.read_j_per_bit


def test_power_is_a_share_of_the_boards_or_watts() -> None:
    shares = _machine("rtx4090-host").units["gpu.sm"].energy
    assert shares is not None
    assert shares.static_w == pytest.approx(450 * 0.171)
    assert shares.active_w == pytest.approx(450 * 0.027)
    h100 = _machine("h100-host").units["gpu.sm"].energy
    assert h100 is not None
    assert (h100.static_w, h100.active_w) == (120.0, 19.0)


def test_energies_are_no_part_of_what_programs_follow_from() -> None:
    plain, other = _machine("h100-host"), build_machine("h100-host", Assumptions({"h100-active-power": "40 W"}))
    assert plain.units["gpu.sm"].energy != other.units["gpu.sm"].energy
    assert plain.without_rates == other.without_rates


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("devices.gpu.units.sm.energy.static", "70", "a power such as '70 W'"),
        ("devices.gpu.units.sm.energy.on_chip", "3 W", "an energy such as '3.5 pJ/bit'"),
        ("links.gpu-host.energy.transfer", "4 pJ", "an energy such as '3.5 pJ/bit'"),
    ],
)
def test_a_figure_of_another_unit_is_refused_in_one_line(path: str, value: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        build_machine("h100-host", Assumptions(), {path: value})
    line = str(refused.value)
    assert path in line
    assert says in line
    assert "\n" not in line


def test_scattered_lines_open_a_row_each_and_streams_one_a_row() -> None:
    memory = _machine("h100-host").memories["gpu.hbm"]
    assert memory.dram is not None
    rows = row_activations(memory)
    assert rows.block_bytes[0] == 0
    assert list(rows.block_bytes) == sorted(rows.block_bytes)
    assert 64 * rows.read[0] == pytest.approx(1, rel=0.02)
    for per_byte in (rows.read, rows.write):
        assert 1 <= per_byte[-1] * memory.dram.standard.row_bytes < 1.3
        assert max(per_byte) == pytest.approx(per_byte[0], rel=0.02)


def test_memories_without_rows_open_none() -> None:
    rows = row_activations(_machine("h100-amx-dimm-ndp").memories["host.llc"])
    assert (rows.read, rows.write) == ((0.0,), (0.0,))


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [("3.5 pJ/bit", "J/bit", 3.5e-12), ("70 W", "W", 70.0), ("0.32 pJ", "J", 0.32e-12), ("2 nJ", "J", 2e-9)],
)
def test_energies_are_read_and_written(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension, "x", "y") == pytest.approx(value)
    assert parse_quantity(format_quantity(value, dimension), dimension, "x", "y") == pytest.approx(value)


def test_area_and_price_are_of_the_devices_that_say_them(tiny: Tiny) -> None:
    plain = run(tiny.path, keep=()).energy
    assert plain is not None
    assert (plain.area_mm2, plain.price_usd) == (814, None)
    price = {"machine.set.devices.gpu.price": "25000 USD", "machine.set.devices.ndp.price": "5000 USD"}
    devices = {"machine.set.devices.ndp.count": 2, "machine.set.devices.ndp.area": "3.5 mm2"}
    found = run(tiny.path, price | devices, keep=()).energy
    assert found is not None
    assert (found.area_mm2, found.price_usd) == (821, 35000)


def test_a_memorys_own_energy_takes_the_place_of_its_standards() -> None:
    own = dict.fromkeys(("read", "write", "port"), "2 pJ/bit") | {"activate": "1 nJ"}
    own |= dict.fromkeys(("background_per_gb", "refresh_per_gb"), "0.5 W")
    energy = _machine("h100-host", devices__host__memories__dram__energy=own).memories["host.dram"].energy
    assert energy is not None
    assert energy.read_j_per_bit == pytest.approx(2e-12)
    assert energy.activate_j == pytest.approx(1e-9)
