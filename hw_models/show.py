"""A machine as a tree of text: what it is made of, how fast each part is, and who says so."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from moe_cosim.hw_models.components import Link, Memory, Switch, Unit
from moe_cosim.hw_models.description import Origin
from moe_cosim.hw_models.machine import Machine
from moe_cosim.quantity import format_quantity


def render(machine: Machine, origins: Sequence[Origin] = ()) -> Group:
    """Parts by device, links, address ranges, assumptions and (when given) the origin of every constant.

    A rich renderable: print it with ``rich.console.Console().print``.
    """
    tables = [_addresses(machine), _assumptions(machine)]
    if origins:
        tables.append(_origins(origins))
    return Group(_parts(machine), *tables)


def _parts(machine: Machine) -> Tree:
    texts = {name: _unit(unit) for name, unit in machine.units.items()}
    texts |= {name: _memory(memory) for name, memory in machine.memories.items()}
    texts |= {name: _switch(switch) for name, switch in machine.switches.items()}
    tree = Tree(Text(f"{machine.name}: {machine.title}"))
    devices: dict[str, Tree] = {}
    for name, text in texts.items():
        device, _, part = name.rpartition(".")
        if device not in devices:
            devices[device] = tree.add(Text(device))
        devices[device].add(Text(f"{part}: {text}"))
    links = tree.add("links")
    for link in machine.links.values():
        if link.ends[0].rpartition(".")[0] != link.ends[1].rpartition(".")[0]:
            links.add(Text(f"{link.name}: {_link(link)}"))
    return tree


def _unit(unit: Unit) -> str:
    text = f"{unit.kind} beside {unit.local_memory}, lanes {', '.join(unit.lanes)}"
    text += f", {format_quantity(unit.window_bytes, 'bytes')} outstanding"
    if unit.model is not None:
        text += f", launch {_time(unit.model.launch_ps)}, experts {_time(unit.model.expert_launch_ps)}"
    return text


def _memory(memory: Memory) -> str:
    read, write = (float(memory.efficiency.share(0, is_write)) for is_write in (False, True))
    return (
        f"{memory.kind} memory, {memory.standard}, {format_quantity(memory.capacity_bytes, 'bytes')}, "
        f"{memory.channels} channel{'s' if memory.channels > 1 else ''} interleaved by "
        f"{memory.interleave_bytes} B, peak {_rate(memory.peak_bytes_per_s)}, "
        f"achievable {_rate(read * memory.peak_bytes_per_s)} read, {_rate(write * memory.peak_bytes_per_s)} written, "
        f"{_time(memory.latency_ps)}"
    )


def _switch(switch: Switch) -> str:
    return f"switch, {_rate(switch.bytes_per_s)}, {_time(switch.latency_ps)}"


def _link(link: Link) -> str:
    return (
        f"{link.ends[0]} - {link.ends[1]}, peak {_rate(link.peak_bytes_per_s)} each way, "
        f"payload {_rate(link.bytes_per_s)}, {_time(link.latency_ps)}"
    )


def _addresses(machine: Machine) -> Table:
    table = Table("memory", "from", "to", title="addresses", title_justify="left")
    for memory in machine.memory_list:
        end = memory.base_address + memory.capacity_bytes - 1
        _add(table, memory.name, f"{memory.base_address:#x}", f"{end:#x}")
    return table


def _assumptions(machine: Machine) -> Table:
    table = Table("assumption", "value", "range", "source or reason", title="assumptions", title_justify="left")
    for assumption in machine.assumptions:
        ends = " .. " if assumption.dimension != "choice" else ", "
        limits = ends.join(map(str, assumption.range))
        _add(table, assumption.name, str(assumption.value), limits, assumption.source)
    return table


def _origins(origins: Sequence[Origin]) -> Table:
    table = Table("constant", "value", "source", title="constants", title_justify="left")
    for origin in origins:
        source = f"assumption {origin.assumption}" if origin.assumption else origin.source
        _add(table, origin.field, origin.value, source)
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))  # Text: a bracket in a source is no markup


def _rate(bytes_per_s: float) -> str:
    return format_quantity(bytes_per_s, "bytes/s")


def _time(time_ps: int) -> str:
    return format_quantity(time_ps, "ps")
