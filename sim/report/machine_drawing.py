"""A machine's graph as SVG, in the colours of the page."""

from __future__ import annotations

from html import escape

from moe_cosim.sim.display.names import component, words
from moe_cosim.sim.report.machine_graph import DeviceGroup, DeviceLink, MachineGraph
from moe_cosim.sim.report.write_number import number

_Place = tuple[float, float, float, float]
"""Left, top, width and height of a box."""
_WIDTH, _GAP, _MARGIN = 540, 16, 2
_TITLE, _LINE, _BETWEEN = 30, 24, 58
_METER = 84
"""Pixels of a meter that is full."""


def drawn(graph: MachineGraph, says: str) -> str:
    """SVG of the width of a panel."""
    rows: dict[int, list[DeviceGroup]] = {}
    for device in graph.devices:
        rows.setdefault(device.depth, []).append(device)
    places: dict[str, _Place] = {}
    top, pieces = float(_MARGIN), []
    for devices in rows.values():
        names = {device.name for device in devices}
        for line in _lines(devices):
            width = (_WIDTH - 2 * _MARGIN - _GAP * (len(line) - 1)) / len(line)
            for place, device in enumerate(line):
                places[device.name] = _MARGIN + place * (width + _GAP), top, width, _height(device)
            top += max(_height(device) for device in line) + _BETWEEN
        for link in (link for link in graph.links if {link.near, link.far} <= names):
            pieces.append(_beside(link, top - _BETWEEN))
            top += _LINE
    pieces += [_below(link, *places[link.near], *places[link.far]) for link in graph.links if _is_below(link, places)]
    pieces += [_box(device, *places[device.name]) for device in graph.devices]
    height = top - _BETWEEN + _MARGIN
    return (
        f'<svg class="machine" role="img" aria-label="{escape(says)}" width="{_WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {_WIDTH} {height:g}">{"".join(pieces)}</svg>'
    )


def _lines(devices: list[DeviceGroup]) -> list[list[DeviceGroup]]:
    """At most two boxes side by side have room for their names."""
    return [devices[first : first + 2] for first in range(0, len(devices), 2)]


def _height(device: DeviceGroup) -> float:
    return _TITLE + _LINE * len(device.parts) + (6 if device.parts else 0)


def _box(device: DeviceGroup, x: float, y: float, width: float, height: float) -> str:
    count = f" × {device.count}" if device.count > 1 else ""
    pieces = [
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        _text(x + 10, y + 20, _named(device) + count, "strong"),
    ]
    for place, part in enumerate(device.parts):
        base = y + _TITLE + _LINE * place + 16
        name = component(part.name).removeprefix(f"{_named(device)} ") + (" port" if part.kind == "port" else "")
        peak = "" if part.peak_bytes_per_s is None else f", {number(part.peak_bytes_per_s, 'B/s')}"
        if width > _WIDTH / 2:
            pieces += _meter(x + width - 10 - _METER, base, part.use.mean)
            pieces.append(_text(x + width - 20 - _METER, base, part.use.text, "end"))
        else:
            pieces.append(_text(x + width - 10, base, part.use.text, "end"))
        pieces.append(_text(x + 10, base, f"{name}{peak}"))
    return "".join(pieces)


def _named(device: DeviceGroup) -> str:
    name = component(device.name)
    return name if device.parts else f"{name} switch".replace("Switch switch", "Switch")


def _meter(x: float, base: float, share: float) -> list[str]:
    full = min(max(share, 0.0), 1.0) * _METER
    return [
        f'<rect class="empty" x="{x:g}" y="{base - 10:g}" width="{_METER}" height="10"/>',
        f'<rect class="full" x="{x:g}" y="{base - 10:g}" width="{full:.1f}" height="10"/>',
    ]


def _is_below(link: DeviceLink, places: dict[str, _Place]) -> bool:
    return places[link.far][1] > places[link.near][1]


def _below(
    link: DeviceLink,
    _x: float,
    y: float,
    _width: float,
    height: float,
    x: float,
    end: float,
    width: float,
    _height: float,
) -> str:
    """From the box above to the box below, at whose left end it says what it is where two stand side by side."""
    x += width / 2 if width > _WIDTH / 2 else 24
    middle = end - _BETWEEN / 2
    busiest = max((use.mean for use in (link.outward, link.inward) if use is not None), default=0.0)
    line = f'x1="{x:g}" y1="{y + height:g}" x2="{x:g}" y2="{end:g}" stroke-width="{2 + 10 * busiest:.1f}"'
    shares = _shares(link, "↓", "↑")
    return (
        f'<line class="link" {line}/>'
        + _text(x + 10, middle - 5, _called(link))
        + (_text(x + 10, middle + 13, shares, "strong") if shares else "")
    )


def _beside(link: DeviceLink, y: float) -> str:
    """Between two boxes of one row: a line of text below it."""
    ends = f"{component(link.near)} to {component(link.far)}: "
    return _text(_MARGIN + 10, y + 18, f"{ends}{_called(link)} {_shares(link, '→', '←')}")


def _called(link: DeviceLink) -> str:
    rate = "" if link.payload_bytes_per_s is None else f" {number(link.payload_bytes_per_s, 'B/s')} each way"
    return words(component(link.name)) + rate


def _shares(link: DeviceLink, outward: str, inward: str) -> str:
    both = (outward, link.outward), (inward, link.inward)
    return "   ".join(f"{arrow} {use.text}" for arrow, use in both if use is not None)


def _text(x: float, y: float, text: str, classes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{escape(text)}</text>'
