"""What one event would take on an otherwise idle machine: the costs a policy may ask for.

The rules are those of the program's events (`workloads/programs/program.py`) as the embedded engine treats
them: a flow's bytes move after its latency, at a rate that its window, its memories and the links
on its way allow, and flows of the same event share max-min fairly. Left out are credits, single refreshes, that the
lines of a small window wait for those of other flows (at most 1.2 % of a kernel of several accesses), and that a
window's last lines come together (at most a turn of the window earlier; tests/hw_models/test_alone.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.access_rate import PS_PER_S, channel_cap, line_time_ps, window_cap
from moe_cosim.hw_models.components import LINE_BYTES, Memory, Unit
from moe_cosim.hw_models.cxl.crossing import crossed
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.flash.access import FlashRun, flash_run
from moe_cosim.hw_models.machine import Machine, Path

_ROUNDING_PS = 1e-3
"""So little beyond a whole picosecond is the rounding of float64."""


@dataclass
class _Flow:
    latency_ps: int
    left_bytes: float
    cap: float
    """Bytes/ps."""
    use: dict[int, float]
    """What one byte takes of each resource: 1 of a link, 1 / share of the peak of a memory and of its port."""
    written: dict[int, float]
    """Of what it takes of each memory, the part that is written."""
    streams: dict[int, float]
    """What it counts for in each memory: the accesses of an event to one memory are one stream together."""


class _MemorySide(NamedTuple):
    """What the memory does to an access."""

    share: float
    """Of the peak, that its pattern reaches."""
    cap: float
    """Bytes/ps that the channels it touches allow."""
    line_ps: float
    """Time of one request on its channel."""


def time_alone_ps(
    machine: Machine,
    unit: str,
    reads: Mapping[str, int],
    busy_ps: int = 0,
    setup_ps: int = 0,
    writes: Mapping[str, int] | None = None,
) -> int:
    """Time of one kernel of `unit` that reads and writes so many bytes of each named memory.

    The ranges are contiguous and start where an interleave block starts. Without traffic it is
    setup + busy. Raises `InputError` for a unit or memory that the machine does not have.
    """
    part = _unit(machine, unit)
    wanted = [(name, size, False) for name, size in reads.items()]
    wanted += [(name, size, True) for name, size in (writes or {}).items()]
    wanted = [access for access in wanted if access[1]]  # an access of no bytes is none
    total = sum(size for _, size, _ in wanted)
    meeting = Counter(name for name, _, _ in wanted)
    flows = [_access(machine, part, *access, total, 1 / meeting[access[0]]) for access in wanted]
    return setup_ps + max(busy_ps, _drain_ps(machine, flows))


def move_alone_ps(machine: Machine, source: str, target: str, size_bytes: int, unit: str | None = None) -> int:
    """Time of one copy of `size_bytes` from memory `source` to memory `target` by the DMA engine `unit`.

    Without `unit` it is the DMA engine beside the target, else the one beside the source, else the
    machine's first; from flash memory the one beside that, and by way of host memory where its path says so.
    Raises `InputError` for parts that the machine does not have.
    """
    engine = _unit(machine, unit) if unit is not None else _dma(machine, source, target)
    a, b = _memory(machine, source), _memory(machine, target)
    between = machine.bounce_memory(source, target) if unit is None else None
    if between is not None:
        return sum(move_alone_ps(machine, *ends, size_bytes) for ends in ((source, between), (between, target)))
    data = machine.path(source, target)
    latency_ps = machine.copy_latency_ps(engine.name, source, target)
    if not size_bytes:
        return 0
    sides = _side(a, size_bytes, False), _side(b, size_bytes, True)
    turn_ps = latency_ps + sides[0].line_ps + sides[1].line_ps
    window = window_cap(engine.window_bytes, size_bytes, size_bytes, LINE_BYTES, turn_ps)
    weights: dict[str, float] = {}
    for memory, side in zip((a, b), sides, strict=True):
        weights[memory.name] = weights.get(memory.name, 0.0) + 1.0 / side.share
    use = _use(machine, data, machine.path(source, engine.name), weights)
    at, to = (_index(machine, name) for name in (source, target))
    written, streams = ({at: 0.5}, {at: 2.0}) if at == to else ({at: 0.0, to: 1.0}, {at: 1.0, to: 1.0})
    flow = _Flow(latency_ps, float(size_bytes), min(window, sides[0].cap, sides[1].cap), use, written, streams)
    if b.flash is not None:  # what is written goes to any die
        flow.cap = min(window, sides[0].cap)
    if a.flash is not None:
        flow.cap = sides[1].cap
        _from_flash(machine, flow, at, flash_run(a, engine, size_bytes, size_bytes, False, latency_ps))
    return _drain_ps(machine, [flow])


def _access(
    machine: Machine, unit: Unit, name: str, size_bytes: int, is_write: bool, of_bytes: int, streams: float
) -> _Flow:
    """One of the accesses of an event that moves `of_bytes` in all: its share of the window is that of its bytes."""
    memory = _memory(machine, name)
    there, back = machine.path(unit.name, name), machine.path(name, unit.name)
    latency_ps = machine.round_trip_ps(unit.name, name, is_write)
    side = _side(memory, size_bytes, is_write, machine.is_inside(unit.name, name))
    window = window_cap(unit.window_bytes, size_bytes, of_bytes, LINE_BYTES, latency_ps + side.line_ps)
    use = _use(machine, there if is_write else back, back, {name: 1.0 / side.share})
    at = _index(machine, name)
    flow = _Flow(latency_ps, float(size_bytes), min(window, side.cap), use, {at: float(is_write)}, {at: streams})
    if memory.flash is not None:
        flow.cap = math.inf
        _from_flash(machine, flow, at, flash_run(memory, unit, size_bytes, of_bytes, is_write, latency_ps))
    return flow


def _from_flash(machine: Machine, flow: _Flow, at: int, run: FlashRun) -> None:
    """What the drive, resource `at`, does to a flow of which it is the first memory: see the embedded engine's."""
    flow.use[at] *= run.page_factor
    rates = {resource: machine.resources[resource].bytes_per_s / PS_PER_S / use for resource, use in flow.use.items()}
    fixed = min(run.cap, flow.cap, *rates.values())
    early_ps = run.first_bytes / (run.page_factor * min(run.cap, rates[at]))
    if run.window < fixed:
        early_ps += run.last_burst_bytes * (1 / run.window - 1 / fixed)
    flow.latency_ps = max(flow.latency_ps - math.floor(early_ps), 0)
    flow.cap = min(flow.cap, run.cap, run.window)


def _drain_ps(machine: Machine, flows: Sequence[_Flow]) -> int:
    """When the last of the flows is over, all of them starting at 0."""
    waiting = sorted(flows, key=lambda flow: flow.latency_ps)
    moving: list[_Flow] = []
    now = 0
    while waiting or moving:
        if not moving:
            now = max(now, waiting[0].latency_ps)
        while waiting and waiting[0].latency_ps <= now:
            flow = waiting.pop(0)
            if flow.left_bytes > 0:
                moving.append(flow)
        if not moving:
            continue
        speed = _fair_rates(moving, _rates(machine, moving))
        steps = [math.ceil(f.left_bytes / r - _ROUNDING_PS) for f, r in zip(moving, speed, strict=True)]
        step = max(min([*steps, *(flow.latency_ps - now for flow in waiting[:1])]), 0)
        now += step
        for flow, rate in zip(moving, speed, strict=True):
            flow.left_bytes -= rate * step
        moving = [flow for flow, needed in zip(moving, steps, strict=True) if needed > step]
    return now


def _rates(machine: Machine, flows: Sequence[_Flow]) -> list[float]:
    """What every resource carries, bytes/ps: of a memory its rate for the mix of these flows."""
    rates = [resource.bytes_per_s / PS_PER_S for resource in machine.resources]
    alone = [min(f.cap, *(rates[resource] / use for resource, use in f.use.items())) for f in flows]
    for index, memory in enumerate(machine.memory_list):
        factors = mix_factors(memory)
        here = [(rate * f.use[index], f) for rate, f in zip(alone, flows, strict=True) if index in f.written]
        if factors is None or not here:
            continue
        demand = sum(taken for taken, _ in here)
        written = sum(taken * f.written[index] for taken, f in here)
        streams = math.ceil(sum(f.streams[index] for _, f in here) - _ROUNDING_PS)
        rates[index] *= factors.factor(streams, 1.0 - written / demand)
    return rates


def _fair_rates(flows: Sequence[_Flow], rates: Sequence[float]) -> list[float]:
    """Max-min fair rates by progressive filling (Bertsekas and Gallager, section 6.5.2), bytes/ps."""
    found = [0.0] * len(flows)
    free = dict.fromkeys(range(len(flows)))
    while free:
        levels = {i: flows[i].cap for i in free}
        for resource in {r for i in free for r in flows[i].use}:
            taken = sum(found[i] * f.use.get(resource, 0.0) for i, f in enumerate(flows) if i not in free)
            weight = sum(flows[i].use.get(resource, 0.0) for i in free)
            level = (rates[resource] - taken) / weight
            levels |= {i: min(levels[i], level) for i in free if resource in flows[i].use}
        lowest = min(levels.values())
        for i, level in levels.items():
            if level <= lowest:
                found[i] = lowest
                del free[i]
    return found


def _side(memory: Memory, size_bytes: int, is_write: bool, inside: bool = False) -> _MemorySide:
    """Of a contiguous range that starts where an interleave block starts; the peak is the internal one `inside`."""
    share = float(memory.efficiency.share(0, is_write))
    peak = memory.array_bytes_per_s if inside else memory.peak_bytes_per_s
    channels, interleave = memory.channels, memory.interleave_bytes
    cap = channel_cap(share, peak, channels, interleave, 0, size_bytes)
    return _MemorySide(share, cap, line_time_ps(share, peak, channels, interleave, size_bytes, LINE_BYTES))


def _use(machine: Machine, way: Path, reads: Path, weights: Mapping[str, float]) -> dict[int, float]:
    """`weights`: what one byte takes of each memory at the ends of the way; on `reads` it is read, else written."""
    found = {_index(machine, name): weight for name, weight in weights.items()}
    for index, bytes_per_byte in crossed(machine, way.resources, reads.resources):
        resource = machine.resources[index]
        found[index] = weights[resource.component] if resource.kind == "port" else bytes_per_byte
    return found


def _index(machine: Machine, memory: str) -> int:
    """Of its resource: a machine's first are its memories."""
    return list(machine.memories).index(memory)


def _unit(machine: Machine, name: str) -> Unit:
    if name not in machine.units:
        raise InputError(f"machine {machine.name}", "unit", name, ", ".join(machine.units))
    return machine.units[name]


def _memory(machine: Machine, name: str) -> Memory:
    if name not in machine.memories:
        raise InputError(f"machine {machine.name}", "memory", name, ", ".join(machine.memories))
    return machine.memories[name]


def _dma(machine: Machine, source: str, target: str) -> Unit:
    engines = machine.copy_units
    for memory in (source, target) if _memory(machine, source).flash is not None else (target, source):
        for engine in engines:
            if engine.local_memory == memory:
                return engine
    if not engines:
        raise InputError(f"machine {machine.name}", "units", Plain("no dma unit"), "a machine that can copy")
    return engines[0]
