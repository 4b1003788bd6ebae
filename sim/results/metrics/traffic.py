"""Bytes through every memory and link, and what they were."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.rows import LinkRow, MemoryRow, TrafficRow
from moe_cosim.workloads.programs.program import CONTENTS, READ, WRITE


def traffic_table(machine: Machine, activity: Activity) -> NDArray[np.int64]:
    """[resources, contents, 2]: bytes read and written in each memory, carried by each link direction.

    The last axis is (read, write) for memories; links, switches and ports count everything under 0.
    """
    table = np.zeros((len(machine.resources), len(CONTENTS), 2), dtype=np.int64)
    memories = [memory.name for memory in machine.memory_list]
    units, stream_bytes, copy_bytes = list(machine.units), activity.stream_bytes, activity.copy_bytes
    table[: len(memories)] = stream_bytes.sum(axis=0).swapaxes(1, 2)
    table[: len(memories), :, READ] += copy_bytes.sum(axis=1)
    table[: len(memories), :, WRITE] += copy_bytes.sum(axis=0)
    for unit, memory, op in np.argwhere(stream_bytes.any(axis=3)).tolist():
        ends = (memories[memory], units[unit]) if op == READ else (units[unit], memories[memory])
        for resource in machine.path(*ends).resources:
            table[resource, :, 0] += stream_bytes[unit, memory, op]
    for source, target in np.argwhere(copy_bytes.any(axis=2)).tolist():
        # within one memory: out of its port and in again
        times = 1 if source != target else 2
        for resource in machine.path(memories[source], memories[target]).resources:
            table[resource, :, 0] += times * copy_bytes[source, target]
    return table


def memory_rows(machine: Machine, table: NDArray[np.int64], total_ps: int) -> list[MemoryRow]:
    """One row per memory, in the machine's order, of `table` [resources, contents, 2] as `traffic_table` gives it."""
    rows = []
    for memory, (read, written) in zip(machine.memory_list, table.sum(axis=1).tolist(), strict=False):
        achieved = (read + written) / total_ps * 1e12 if total_ps else 0.0
        rows.append(
            MemoryRow(
                name=memory.name,
                read_bytes=read,
                written_bytes=written,
                achieved_bytes_per_s=achieved,
                peak_bytes_per_s=memory.array_bytes_per_s,
                utilization=achieved / memory.array_bytes_per_s,
                capacity_bytes=memory.capacity_bytes,
            )
        )
    return rows


def link_rows(machine: Machine, table: NDArray[np.int64], total_ps: int) -> list[LinkRow]:
    """One row per direction of every link with a finite rate, and per port of a memory with an internal peak; `table`
    [resources, contents, 2] as `traffic_table` gives it.
    """
    rows = []
    for resource, carried in zip(machine.resources, table.sum(axis=(1, 2)).tolist(), strict=True):
        if resource.kind not in ("link", "port") or math.isinf(resource.bytes_per_s):
            continue
        link = machine.links.get(resource.component)
        achieved = carried / total_ps * 1e12 if total_ps else 0.0
        rows.append(
            LinkRow(
                name=resource.name,
                bytes=carried,
                achieved_bytes_per_s=achieved,
                payload_bytes_per_s=resource.bytes_per_s,
                peak_bytes_per_s=link.peak_bytes_per_s if link else resource.bytes_per_s,
                utilization=achieved / resource.bytes_per_s,
            )
        )
    return rows


def bytes_by_kind(machine: Machine, activity: Activity, table: NDArray[np.int64]) -> dict[str, TrafficRow]:
    """Per content: bytes through memories, through links one by one, and what crossed any, once; `table` [resources,
    contents, 2] as `traffic_table` gives it.
    """
    memories = len(machine.memory_list)
    links = [index for index, resource in enumerate(machine.resources) if resource.kind not in ("memory", "port")]
    through, over = table[:memories].sum(axis=(0, 2)).tolist(), table[links].sum(axis=(0, 2)).tolist()
    once = _crossed(machine, activity, set(links)).tolist()
    return {name: TrafficRow(*each) for name, *each in zip(CONTENTS, through, over, once, strict=True)}


def _crossed(machine: Machine, activity: Activity, links: set[int]) -> NDArray[np.int64]:
    """[contents] bytes whose way takes any of these resources."""
    memories, units = [memory.name for memory in machine.memory_list], list(machine.units)
    crossed = np.zeros(len(CONTENTS), np.int64)
    for unit, memory, op in np.argwhere(activity.stream_bytes.any(axis=3)).tolist():
        ends = (memories[memory], units[unit]) if op == READ else (units[unit], memories[memory])
        if not links.isdisjoint(machine.path(*ends).resources):
            crossed += activity.stream_bytes[unit, memory, op]
    for source, target in np.argwhere(activity.copy_bytes.any(axis=2)).tolist():
        if not links.isdisjoint(machine.path(memories[source], memories[target]).resources):
            crossed += activity.copy_bytes[source, target]
    return crossed
