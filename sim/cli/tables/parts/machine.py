"""What ``moe-cosim show MACHINE`` shows: what it is made of, how fast each part is, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moe_cosim.hw_models.description import Origin
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.cli.tables.results.assumptions import assumptions_table


def machine_report(machine: Machine, origins: Sequence[Origin]) -> Report:
    """Parts, links, address ranges, assumptions and the origin of every constant."""
    return [
        Note(machine.title, machine.name),
        _units(machine),
        _memories(machine),
        _switches(machine),
        _links(machine),
        assumptions_table([assumption.as_dict() for assumption in machine.assumptions], reasons=True),
        _constants(origins),
    ]


def machine_document(machine: Machine, origins: Sequence[Origin]) -> dict[str, Any]:
    """The tables by their names."""
    tables = [part for part in machine_report(machine, origins) if isinstance(part, Table)]
    return {"name": machine.name, "title": machine.title, **{table.name: table.records() for table in tables}}


def _units(machine: Machine) -> Table:
    columns = (
        Column("name", "unit", role="key"),
        Column("kind"),
        Column("sits"),
        Column("local_memory", "memory"),
        Column("lanes", role="prose"),
        Column("window_bytes", "window", "bytes"),
        Column("launch_ps", "launch", "ps"),
        Column("expert_launch_ps", "expert launch", "ps"),
    )
    rows = []
    for unit in machine.units.values():
        times = (unit.model.launch_ps, unit.model.expert_launch_ps) if unit.model is not None else (None, None)
        sits = "inside" if unit.inside else "beside"
        rows.append((unit.name, unit.kind, sits, unit.local_memory, ", ".join(unit.lanes), unit.window_bytes, *times))
    return Table("units", "units", columns, rows)


def _memories(machine: Machine) -> Table:
    columns = (
        Column("name", "memory", role="key"),
        Column("kind", priority=3),
        Column("standard", priority=2),
        Column("capacity_bytes", "capacity", "bytes"),
        Column("channels"),
        Column("interleave_bytes", "interleaved by", "bytes", priority=4),
        Column("peak_bytes_per_s", "peak", "bytes/s"),
        Column("read_bytes_per_s", "achievable read", "bytes/s"),
        Column("written_bytes_per_s", "achievable write", "bytes/s", priority=1),
        Column("internal_peak_bytes_per_s", "peak inside", "bytes/s"),
        Column("latency_ps", "latency", "ps"),
        Column("first_address", "from", priority=6),
        Column("last_address", "to", priority=5),
    )
    rows = []
    for memory in machine.memory_list:
        achievable = (
            float(memory.efficiency.share(0, is_write)) * memory.peak_bytes_per_s for is_write in (False, True)
        )
        last = memory.base_address + memory.capacity_bytes - 1
        rows.append(
            (
                memory.name,
                memory.kind,
                memory.standard,
                memory.capacity_bytes,
                memory.channels,
                memory.interleave_bytes,
                memory.peak_bytes_per_s,
                *achievable,
                memory.internal_peak_bytes_per_s,
                memory.latency_ps,
                f"{memory.base_address:#x}",
                f"{last:#x}",
            )
        )
    return Table("memories", "memories", columns, rows)


def _switches(machine: Machine) -> Table:
    columns = (
        Column("name", "switch", role="key"),
        Column("bytes_per_s", "rate", "bytes/s"),
        Column("latency_ps", "latency", "ps"),
    )
    rows = [(switch.name, switch.bytes_per_s, switch.latency_ps) for switch in machine.switches.values()]
    return Table("switches", "switches", columns, rows)


def _links(machine: Machine) -> Table:
    """Those between devices, and peer fabrics; what joins the parts of one device is not a link anybody counts."""
    columns = (
        Column("name", "link", role="key"),
        Column("ends", "between"),
        Column("peak_bytes_per_s", "peak each way", "bytes/s"),
        Column("bytes_per_s", "payload", "bytes/s"),
        Column("latency_ps", "latency", "ps"),
    )
    rows: list[tuple[Any, ...]] = [
        (link.name, " - ".join(link.ends), link.peak_bytes_per_s, link.bytes_per_s, link.latency_ps)
        for link in machine.links.values()
        if link.ends[0].rpartition(".")[0] != link.ends[1].rpartition(".")[0]
    ]
    rows += [
        (peer.name, f"{peer.members[0]} … {peer.members[-1]}", peer.bytes_per_s, peer.bytes_per_s, peer.latency_ps)
        for peer in machine.peers.values()
    ]
    return Table("links", "links", columns, rows)


def _constants(origins: Sequence[Origin]) -> Table:
    columns = (Column("constant", role="key"), Column("value"), Column("source", role="prose"))
    rows = [
        (origin.field, origin.value, f"assumption {origin.assumption}" if origin.assumption else origin.source)
        for origin in dict.fromkeys(origins)  # one may be read for several others
    ]
    return Table("constants", "constants", columns, rows)
