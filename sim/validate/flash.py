"""Drives of flash memory: bandwidth by block length, queue depth and share of reads, as fio measures it.

The embedded engine runs the drive's own queue at that depth, each command as long as a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import READ, WRITE

REQUIRED: Final = ("device", "order", "block_bytes", "depth", "read_fraction", "bandwidth_MBps")
OPTIONAL: Final = ("note",)
_ORDERS: Final = ("random", "sequential")
_LEAST_BLOCKS: Final = 20_000
_MOST_BYTES: Final = 10**10
_SOURCE: Final = "the row of a measurement"


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """Raises `InputError` for numbers that are none."""
    compared: list[ComparedRow] = []
    refused: list[Refused] = []
    for place, row in enumerate(rows):
        order, block, depth, reads = row.text("order"), row.count("block_bytes"), row.count("depth"), _share(row)
        measured = row.positive("bandwidth_MBps")
        if order not in _ORDERS:
            raise row.error("order", _ORDERS)
        try:
            predicted = _bytes_per_s(row.text("device"), order == "random", block, depth, reads) / 1e6
        except NoPredictionError as why:
            refused.append(Refused("flash", row, str(why)))
            continue
        mix = {1.0: "reads", 0.0: "writes"}.get(reads, f"{reads:.0%} reads")
        groups = {"device": row.text("device"), "order": order, "mix": mix}
        what = f"{row.text('device')}, {order}, {block / 1024:g} KiB, depth {depth}, {mix}"
        compared.append(ComparedRow("flash", row, what, "bandwidth", "MB/s", predicted, measured, groups))
        if choices.progress is not None:
            choices.progress(place + 1, len(rows))
    return compared, refused


def _share(row: CsvRow) -> float:
    try:
        share = float(row.text("read_fraction"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise row.error("read_fraction", "0 to 1")
    return share


def _bytes_per_s(device: str, random: bool, block: int, depth: int, reads: float) -> float:
    machine = _drive(device, depth, block)
    unit = next(unit for unit in machine.units.values() if unit.command_bytes)
    blocks = max(min(_LEAST_BLOCKS, _MOST_BYTES // block), 100 * depth)
    builder, at, accesses = ProgramBuilder(machine), 0, []
    for op, share in ((READ, reads), (WRITE, 1 - reads)):
        size = round(blocks * share) * block
        if size:
            accesses.append(builder.access(unit.local_memory, op, size, at, block if random else 0))
            at += size
    builder.stream(f"{unit.name}.{unit.lanes[0]}", *accesses)
    return at / EmbeddedEngine().run(machine, builder.build()).total_ps * 1e12


@cache
def _drive(device: str, depth: int, command: int) -> Machine:
    """Raises `NoPredictionError` for a device that the catalogue lacks or that is no drive, and for another queue."""
    try:
        path = catalog.find(device, "device")
        tree: Mapping[str, Any] = catalog.read(path, "device")
        queue = {
            "depth": {"value": depth, "source": _SOURCE},
            "command": {"value": f"{command} B", "source": _SOURCE},
        }
        units = {name: {**unit, "queue": queue} for name, unit in tree.get("units", {}).items() if "queue" in unit}
        if not units:
            raise NoPredictionError(f"device {device} has no queue of commands")
        return build_device({**tree, "units": units}, path, Assumptions())
    except InputError as why:
        raise NoPredictionError(str(why)) from None
