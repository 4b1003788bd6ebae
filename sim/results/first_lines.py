"""What a result begins with, wherever people see it: the answer, and what bounds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.results.rows import DECODE, HOST, SOFTWARE_WORTH_SAYING, LinkRow, MemoryRow

if TYPE_CHECKING:
    from moe_cosim.sim.results.result import Result

_TRAFFIC: Final = "traffic"
"""The bound of what waits for bytes to come through memories and links."""


def answer(result: Result) -> str:
    """How fast and how frugal: of decode, where there is one."""
    rate, of_what = result.decode_tokens_per_s, " in decode"
    joules = None if result.energy is None else result.energy.decode_joules_per_token
    if rate is None:
        rate, of_what = result.end_to_end_tokens_per_s, ""
        joules = None if result.energy is None else result.energy.joules_per_token
    taken = "" if joules is None else f", {format_quantity(joules, 'J')} a token"
    return f"{rate:.4g} tokens/s{of_what}{taken}"


def bound(result: Result) -> str:
    """The largest part of what the answer is of, by its critical path; software too, where it is much of it."""
    decode = [row for row in result.critical_path if row.phase == DECODE]
    rows, whose = result.critical_path, "the"
    if decode and result.decode_tokens_per_s is not None:
        rows, whose = decode, "decode's"
    whole = sum(row.share for row in rows)
    if not whole:
        return "nothing"
    parts: dict[tuple[str, str, str], float] = {}
    for row in rows:
        place = (HOST, "", "") if row.purpose == HOST else (row.unit, row.purpose, row.bound)
        parts[place] = parts.get(place, 0.0) + row.share / whole
    first, *rest = sorted(parts, key=lambda place: -parts[place])
    said = [f"{_part(result, *first)}, {parts[first]:.0%} of {whose} critical path"]
    if HOST in (place[0] for place in rest) and parts[HOST, "", ""] > SOFTWARE_WORTH_SAYING:
        said.append(f"{_part(result, HOST, '', '')}, {parts[HOST, '', '']:.0%}")
    return "; ".join(said)


def not_varied(result: Result) -> str:
    """In the place of what moves the answer most, where nobody has looked."""
    ranges = [[value for value in row.range if value != row.value] for row in result.assumptions]
    varied = [others for others in ranges if others]
    return f"not varied; --sensitivity varies {len(varied)} assumptions, in {sum(map(len, varied))} runs"


def _part(result: Result, unit: str, purpose: str, bound_by: str) -> str:
    if unit == HOST:
        return f"software ({result.software}; another: --set software=ideal)"
    said = ", ".join(filter(None, (purpose, bound_by)))
    rates: list[MemoryRow | LinkRow] = [*result.memories, *result.links]
    if bound_by != _TRAFFIC or not rates:
        return f"{unit} ({said})"
    busiest = max(rates, key=lambda row: row.utilization)
    return f"{unit} ({said}; busiest is {busiest.name} at {busiest.utilization:.0%} of its peak)"
