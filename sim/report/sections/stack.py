"""A bar for each run, made of what it consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart
from moe_cosim.sim.report.write_number import number

MOST: Final = 8
"""Parts that are told apart; the rest is one."""
REST: Final = "the rest"
REST_STYLE: Final = Style("#555555", "xxx", "X", ())


def stack(
    title: str,
    says: str,
    amounts: Mapping[str, Mapping[str, float]],
    unit: str,
    axis: str,
    name_of: Callable[[str], str],
) -> Chart:
    """`amounts` by run and by part. The largest part stands first; small ones are put together."""
    sums: dict[str, float] = {}
    for parts in amounts.values():
        for name, amount in parts.items():
            sums[name] = sums.get(name, 0.0) + amount
    kept = sorted(sums, key=lambda name: -sums[name])
    kept = kept if len(kept) <= MOST else kept[: MOST - 1]
    factor, text = shown([sum(parts.values()) for parts in amounts.values()], unit)
    rows = []
    for run, parts in amounts.items():
        total = sum(parts.values())
        small = sum(amount for name, amount in parts.items() if name not in kept)
        named = [(name_of(name), parts.get(name, 0.0)) for name in kept] + ([(REST, small)] if small else [])
        rows += [
            {
                "run": run,
                "part": name,
                "place": place,
                "amount": amount / factor,
                "tip": {"run": run, name: number(amount, unit), "share": f"{amount / total:.1%}"},
            }
            for place, (name, amount) in enumerate(named)
            if amount
        ]
    return Chart(title, _spec(rows, _fills(kept, name_of, len(kept) < len(sums)), f"{axis} ({text})"), says)


def _fills(kept: Sequence[str], name_of: Callable[[str], str], has_rest: bool) -> dict[str, str]:
    found = {name_of(name): palette.fill(style) for name, style in styles(kept).items()}
    return found | ({REST: palette.fill(REST_STYLE)} if has_rest else {})


def _spec(rows: list[dict[str, Any]], fills: Mapping[str, str], axis: str) -> dict[str, Any]:
    return {
        "height": 34 * len({row["run"] for row in rows}),
        "data": {"values": rows},
        "mark": {"type": "bar", "stroke": "var(--panel)", "strokeWidth": 1},
        "encoding": {
            "y": {
                "field": "run",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"domain": False, "ticks": False},
            },
            "x": {"field": "amount", "type": "quantitative", "title": axis},
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": list(fills), "range": list(fills.values())},
                "legend": {"title": None, "columns": 4},
            },
            "order": {"field": "place"},
            "tooltip": {"field": "tip"},
        },
    }
