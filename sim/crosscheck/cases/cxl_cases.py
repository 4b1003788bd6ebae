"""A memory behind a link that carries CXL.mem: what flits and credits leave of it, for one unit and for two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.cxl.lanes import Lanes
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import CaseTable
from moe_cosim.workloads.programs.builder import ProgramBuilder

TABLE = CaseTable()

_KB: Final = 1024
_MB: Final = 1_000_000
_PEAK: Final = AccessEfficiency((64.0,), (1.0,), (1.0,))
_GEN5: Final = Lanes("32 GT/s", 16)
_GEN6: Final = Lanes("64 GT/s", 16)
_AMPLE: Final = 4096
_USUAL: Final = 600
"""As the catalogue's link has it."""
_FEW: Final = 96
"""Credits: lines that may be under way. The loop takes 192 ns, so that the link alone needs 145."""

_68: Final = CxlProtocol("68", _GEN5, credits=_AMPLE)
_256: Final = CxlProtocol("256", _GEN6, credits=_AMPLE)
_SHARED: Final = CxlProtocol("68", _GEN5, credits=_USUAL)
_LOPT: Final = CxlProtocol("256-latency-optimized", _GEN6, credits=_AMPLE)


def _host(name: str, windows_kb: Sequence[int], number: int) -> tuple[list[Unit], Memory, list[Link], Switch]:
    """Units u0, u1, ... around a hub, with a memory of their own."""
    units = [Unit(f"{name}.u{i}", "gpu", ("a", "b"), f"{name}.mem", kb * _KB) for i, kb in enumerate(windows_kb)]
    memory = Memory(f"{name}.mem", "hbm", 1 << 34, number << 40, 16, 256, 2e12, _PEAK, 50_000)
    wires = [
        Link(f"{part}-wire", (part, f"{name}.hub"), float("inf"), 1.0, 5_000)
        for part in [*(unit.name for unit in units), memory.name]
    ]
    return units, memory, wires, Switch(f"{name}.hub", 0, float("inf"))


def _flits(ends: tuple[str, str], protocol: CxlProtocol) -> Link:
    return Link("flits", ends, protocol.lanes.bytes_per_s, 1 / protocol.read.s2m, 50_000, protocol)


def _expander() -> tuple[Memory, Link, Switch]:
    memory = Memory("far.mem", "cxl", 1 << 36, 1 << 44, 8, 256, 512e9, _PEAK, 80_000)
    return (
        memory,
        Link("far-wire", ("far.mem", "far.hub"), float("inf"), 1.0, 5_000),
        Switch("far.hub", 0, float("inf")),
    )


def _machine(protocol: CxlProtocol, windows_kb: Sequence[int] = (256,)) -> Machine:
    """A host and an expander at the two ends of one link: 290 ns for a line."""
    units, own, wires, hub = _host("host", windows_kb, 1)
    far, wire, port = _expander()
    link = _flits((hub.name, port.name), protocol)
    return Machine("host and expander", units, [own, far], [*wires, wire, link], [hub, port])


def _two_hosts(protocol: CxlProtocol) -> Machine:
    """Two hosts at a switch, on links of 100 GB/s; the expander's link carries flits."""
    first, second = (_host(name, (256,), number) for number, name in enumerate(("a", "b"), start=1))
    far, wire, port = _expander()
    switch = Switch("switch", 20_000, float("inf"))
    links = [
        *(Link(f"{hub.name}-link", (hub.name, "switch"), 100e9, 1.0, 40_000) for hub in (first[3], second[3])),
        _flits(("switch", port.name), protocol),
    ]
    return Machine(
        "two hosts and an expander",
        [*first[0], *second[0]],
        [first[1], second[1], far],
        [*first[2], *second[2], wire, *links],
        [first[3], second[3], port, switch],
    )


def _mix(read_mb: float, written_mb: float) -> Callable[[ProgramBuilder], None]:
    """So much is read and written side by side, by the lanes of one unit."""

    def fill(builder: ProgramBuilder) -> None:
        if read_mb:
            builder.stream("host.u0.a", builder.read("far.mem", round(read_mb * _MB)))
        if written_mb:
            builder.stream("host.u0.b", builder.write("far.mem", round(written_mb * _MB), 1 << 30))

    return fill


_MIXES: Final = (
    ("read", "reads", 2, 0),
    ("write", "writes", 0, 2),
    ("two-to-one", "two bytes read for one written", 2, 1),
    ("one-to-one", "as much read as written", 1.5, 1.5),
)

for _name, _says, _read, _written in _MIXES:
    TABLE.add(f"flits-68-{_name}", f"{_says} over a link of 68 B flits", partial(_machine, _68), 64)(
        _mix(_read, _written)
    )
    TABLE.add(f"flits-256-{_name}", f"{_says} over a link of 256 B flits", partial(_machine, _256), 64)(
        _mix(_read, _written)
    )
TABLE.add(
    "flits-256-lopt-one-to-one", "as much read as written in latency-optimized flits", partial(_machine, _LOPT), 64
)(_mix(1.5, 1.5))
TABLE.add("flits-68-read-lines-of-256B", "requests of four lines", partial(_machine, _68))(_mix(2, 0))
for _name, _says, _read, _written in (_MIXES[0], _MIXES[1], _MIXES[3]):
    _few = partial(_machine, CxlProtocol("68", _GEN5, credits=_FEW))
    TABLE.add(f"few-credits-{_name}", f"{_says} with {_FEW} credits", _few, 64)(_mix(_read / 2, _written / 2))


@TABLE.add("flits-two-units", "two units share the link", partial(_machine, _SHARED, (256, 64)), 64)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.u0.a", builder.read("far.mem", 2 * _MB))
    builder.stream("host.u1.a", builder.read("far.mem", 1 * _MB, 1 << 30))


@TABLE.add("flits-two-hosts", "two hosts at a switch share an expander's link", partial(_two_hosts, _SHARED), 64)
def _(builder: ProgramBuilder) -> None:
    builder.stream("a.u0.a", builder.read("far.mem", 1 * _MB))
    builder.stream("b.u0.a", builder.read("far.mem", 1 * _MB, 1 << 30))
    builder.stream("b.u0.b", builder.write("far.mem", _MB // 2, 1 << 31))


@TABLE.add("flits-copies-both-ways", "a copy in and a copy out", partial(_machine, _68), 64)
def _(builder: ProgramBuilder) -> None:
    builder.copy("host.u0.a", builder.read("far.mem", 1 * _MB), builder.write("host.mem", 1 * _MB))
    builder.copy("host.u0.b", builder.read("host.mem", 1 * _MB, 1 << 30), builder.write("far.mem", 1 * _MB, 1 << 30))


@TABLE.add(
    "limited-on-a-busy-link",
    "a read that its window limits waits behind another's lines",
    partial(_machine, _SHARED, (2, 256)),
    64,
)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.u0.a", builder.read("far.mem", 100_000))
    builder.stream("host.u1.a", builder.read("far.mem", 2 * _MB, 1 << 30))
