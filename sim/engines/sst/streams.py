"""A program cut into one stream file per device, and the devices' timelines put together again.

The formats are those of the C++ stream core (`hw_models/sst`), little endian and without padding:
a header, the latency of signals between any two units, one record per lane, then the program's own
EVENT and ACCESS records.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.judge import judge
from moe_cosim.sim.engines.sst.graph.devices import Device, Layout
from moe_cosim.sim.engines.sst.replayed import Replayed
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import ACCESS, EVENT, STREAM, Program

MAGIC: Final = b"MOECOSIM"
VERSION: Final = 1

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("units", "<u4"),  # of the machine
        ("lanes", "<u4"),  # of the device
        ("tokens", "<u4"),  # of the whole program
        ("events", "<u8"),
        ("accesses", "<u8"),
        ("reserved", "<u8"),
    ]
)
"""48 bytes; then [units, units] u64 latencies in ps from the row's unit to the column's."""

LANE: Final = np.dtype(
    [
        ("unit", "<u4"),  # index into the machine's units
        ("lane", "<u4"),  # the program's lane id, for messages
        ("window_bytes", "<u8"),
        ("first_event", "<u8"),
        ("events", "<u8"),
    ]
)
"""32 bytes."""

TIMES: Final = np.dtype([("start_ps", "<i8"), ("end_ps", "<i8")])
"""One row of a timeline file per event of the stream file; -1 for what did not happen."""

_OPEN_LOOPS: Final = 8
"""An unlimited window becomes so many times the machine's largest rate x round trip: more cannot speed it up."""


@dataclass(frozen=True)
class Stream:
    """One device's part of a program. A kernel that several events of the program make up is one event here.

    Tables are [rows] of records: `lanes` of `LANE`, `events` of `EVENT`, `accesses` of `ACCESS`.
    """

    device: Device
    lanes: NDArray[np.void]
    events: NDArray[np.void]
    accesses: NDArray[np.void]
    rows: NDArray[np.int64]
    """[R] in the program, of all that the events stand for."""
    event: NDArray[np.int64]
    """[R] which of `events` that is."""


def cut(machine: Machine, program: Program, layout: Layout) -> list[Stream]:
    """The streams of the devices that have units, in the layout's order."""
    return [_stream(machine, program, device) for device in layout.devices if device.units]


def _stream(machine: Machine, program: Program, device: Device) -> Stream:
    starts = program.lane_starts
    units = list(machine.units)
    own = {unit.name for unit in device.units}
    chosen = [lane for lane, (unit, _) in enumerate(program.lanes) if unit in own]
    rows = np.concatenate([np.arange(starts[lane], starts[lane + 1]) for lane in chosen])
    every = program.events[rows]
    begins = (every["kind"] != STREAM) | (every["count"] == 0)
    begins[1:] |= every["lane"][1:] != every["lane"][:-1]
    begins[:1] = True
    first = np.flatnonzero(begins)
    counts = np.bincount(every["lane"][first], minlength=len(program.lanes))[chosen]

    lanes = np.zeros(len(chosen), dtype=LANE)
    lanes["unit"] = [units.index(program.lanes[lane][0]) for lane in chosen]
    lanes["lane"] = chosen
    lanes["window_bytes"] = [_window(machine, program.lanes[lane][0]) for lane in chosen]
    lanes["first_event"] = np.cumsum(counts) - counts
    lanes["events"] = counts

    taken = every["accesses"].astype(np.int64)
    offsets = np.cumsum(taken) - taken
    access_rows = np.repeat(every["first_access"].astype(np.int64) - offsets, taken) + np.arange(taken.sum())
    events = every[first].astype(EVENT, copy=True)
    events["first_access"] = offsets[first]
    if len(first):
        events["accesses"] = np.add.reduceat(taken, first)
        events["busy_ps"] = np.add.reduceat(every["busy_ps"], first)
        parts = np.diff(np.append(first, len(every)))
        events["count"] = np.where(parts > 1, parts, events["count"])
    accesses = program.accesses[access_rows].astype(ACCESS, copy=True)
    accesses["pad"][offsets[taken > 0]] = 1  # where the parts of a kernel begin
    return Stream(device, lanes, events, accesses, rows, np.cumsum(begins) - 1)


def _window(machine: Machine, unit: str) -> int:
    window = machine.units[unit].window_bytes
    if np.isfinite(window):
        return int(window)
    rates = [resource.bytes_per_s for resource in machine.resources if np.isfinite(resource.bytes_per_s)]
    trips = [2 * machine.path(unit, m.name).latency_ps + m.latency_ps for m in machine.memory_list]
    return int(_OPEN_LOOPS * max(rates) * max(trips) * 1e-12) + (1 << 20)


def unit_latencies(machine: Machine) -> NDArray[np.uint64]:
    """[units, units] ps a signal takes; 0 on the diagonal."""
    units = list(machine.units)
    return np.array([[machine.path(a, b).latency_ps if a != b else 0 for b in units] for a in units], dtype=np.uint64)


def write_stream(path: Path, machine: Machine, program: Program, stream: Stream) -> None:
    """The file as the module says: header, latencies, lanes, events, accesses. Raises `OSError`."""
    header = np.zeros(1, dtype=HEADER)
    header["magic"] = MAGIC
    header["version"] = VERSION
    header["units"] = len(machine.units)
    header["lanes"] = len(stream.lanes)
    header["tokens"] = program.tokens
    header["events"] = len(stream.events)
    header["accesses"] = len(stream.accesses)
    with path.open("wb") as file:
        for table in (header, unit_latencies(machine).astype("<u8"), stream.lanes, stream.events, stream.accesses):
            file.write(np.ascontiguousarray(table).tobytes())


def read_stream(
    path: Path,
) -> tuple[NDArray[np.void], NDArray[np.uint64], NDArray[np.void], NDArray[np.void], NDArray[np.void]]:
    """Header [1], latencies [units, units], lanes, events and accesses of a stream file."""
    data = path.read_bytes()
    header = np.frombuffer(data, HEADER, 1)
    units, at = int(header["units"][0]), HEADER.itemsize
    latencies = np.frombuffer(data, "<u8", units * units, at).reshape(units, units)
    at += latencies.nbytes
    tables = []
    for dtype, count in ((LANE, header["lanes"][0]), (EVENT, header["events"][0]), (ACCESS, header["accesses"][0])):
        tables.append(np.frombuffer(data, dtype, int(count), at))
        at += tables[-1].nbytes
    return header, latencies, tables[0], tables[1], tables[2]


def read_times(path: Path, stream: Stream) -> NDArray[np.void]:
    """[events] TIMES of a device, in ps. Raises `RunError` where the file is not there or of another length."""
    expected = len(stream.events) * TIMES.itemsize
    size = path.stat().st_size if path.is_file() else None
    if size != expected:
        found = "no timeline" if size is None else f"a timeline of {size} bytes in place of {expected}"
        raise RunError(f"SST left {found} for device {stream.device.name}")
    return np.fromfile(path, dtype=TIMES)


def restore(
    machine: Machine, program: Program, replayed: Replayed, streams: list[Stream], times: list[NDArray[np.void]]
) -> Timeline:
    """Back in the program's order; an event no device replayed stays at -1.

    SST's clock is finer than the picoseconds it reports, and those are rounded down. A timer of whole picoseconds still
    takes exactly its time, so what is at its floor is seen to be. `times` are [events of the stream] of `TIMES`.
    """
    start = np.full(len(replayed.program.events), -1, dtype=np.int64)
    end = np.full(len(replayed.program.events), -1, dtype=np.int64)
    for stream, measured in zip(streams, times, strict=True):
        start[stream.rows], end[stream.rows] = _parts(replayed.program, stream, measured)
    return judge(machine, program, start[replayed.begins], end[replayed.ends])


def _parts(program: Program, stream: Stream, measured: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[R] start and end of all that the events stand for. The parts of a kernel follow each other, each as long as
    its bytes and its arithmetic say; SST measured the whole."""
    start, end = measured["start_ps"][stream.event], measured["end_ps"][stream.event]
    parts = np.bincount(stream.event, minlength=len(measured))
    kernel = np.flatnonzero((parts > 1) & (measured["end_ps"] >= 0))
    if not len(kernel):
        return start, end
    rows = np.flatnonzero(np.isin(stream.event, kernel))
    events, number = program.events[stream.rows[rows]], np.searchsorted(kernel, stream.event[rows])
    size = _bytes_of(program, events)
    begun = measured["start_ps"][kernel] + stream.events["setup_ps"][kernel].astype(np.int64)
    took = measured["end_ps"][kernel] - begun
    moved = np.maximum(np.bincount(number, size), 1.0)
    weight = np.maximum(events["busy_ps"].astype(np.float64), size * (took / moved)[number])
    first = np.searchsorted(number, np.arange(len(kernel)))
    up_to = np.cumsum(weight)
    before = (up_to - weight)[first]
    whole = np.maximum(np.bincount(number, weight), 1.0)
    end[rows] = begun[number] + np.rint((up_to - before[number]) * (took / whole)[number]).astype(np.int64)
    follows = rows[np.delete(np.arange(len(rows)), first)]
    start[follows] = end[follows - 1]
    return start, end


def _bytes_of(program: Program, events: NDArray[np.void]) -> NDArray[np.float64]:
    """[events] bytes of all their accesses."""
    sums = np.concatenate([[0], np.cumsum(program.accesses["bytes"], dtype=np.float64)])
    begin = events["first_access"].astype(np.int64)
    return np.asarray(sums[begin + events["accesses"]] - sums[begin])
