"""What the terminal shows. Numbers come from results; nothing is computed here but units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from moe_cosim.errors import InputError
from moe_cosim.quantity import format_quantity
from moe_cosim.sim.crosscheck.compare import CrossCheck
from moe_cosim.sim.replay import Replay
from moe_cosim.sim.reproduce.base import Outcome
from moe_cosim.sim.results.result import Result

_PATH_ROWS = 12
_QUIET: dict[str, Any] = {"style": "dim", "highlight": False}


def print_result(result: Result, console: Console | None = None) -> None:
    """Headline, where the time went, units, memories and links, experts, assumptions."""
    console = console or Console()
    console.print(f"[bold]{escape(result.name)}[/bold]: ", end="")
    console.print(f"{result.policy} on {result.machine}, {result.model}", markup=False, highlight=False)
    console.print(f"routing: {result.routing}; engine {result.engine}, seed {result.seed}", markup=False, **_QUIET)
    for table in (
        _headline(result),
        _critical_path(result),
        _units(result),
        _memories_and_links(result),
        _traffic(result),
        _experts(result),
        _assumptions(result.assumptions),
    ):
        console.print(table)
    if result.extrapolation:
        console.print(
            "extrapolated: {method}; window: {window}, {events:,} events, ratio {ratio:.4f}".format(
                **result.extrapolation
            ),
            highlight=False,
        )
    console.print("The reason for each assumption: --json, or summary.md with --out.", **_QUIET)


def print_reproduction(outcome: Outcome, console: Console | None = None) -> None:
    """Published beside simulated, assumptions, sensitivity."""
    console = console or Console()
    rows: Iterable[tuple[str | Text, ...]] = [
        (
            cell.figure,
            cell.cell,
            f"{cell.published:g}",
            f"{cell.simulated:.4g}",
            _ratio(cell.simulated / cell.published),
        )
        for cell in outcome.cells
    ]
    console.print(_table(outcome.title, ("figure", "cell", "published", "simulated", "ratio"), rows))
    console.print(_assumptions(outcome.assumptions))
    if outcome.sensitivity:
        console.print(_sensitivity(outcome.sensitivity))
    for note in outcome.notes:
        console.print(note, highlight=False)
    console.print(f"{outcome.runs} runs, {outcome.events:,} events, {outcome.wall_s:.1f} s", **_QUIET)


def print_crosscheck(outcome: CrossCheck, console: Console | None = None) -> None:
    """One line per case, then the bounds."""
    console = console or Console()
    rows = []
    for case in (found.as_dict() for found in outcome.cases):
        errors = (f"{100 * case[name]:.2f} %" for name in ("event_error_median", "event_error_p95"))
        speed = case["sst_wall_s"] / case["embedded_wall_s"] if case["embedded_wall_s"] else 0.0
        times = (format_quantity(case["sst_ps"], "ps"), format_quantity(case["embedded_ps"], "ps"))
        rows.append(
            (
                case["name"],
                f"{case['events']:,}",
                *times,
                f"{100 * case['total_error']:+.2f} %",
                *errors,
                f"{speed:,.0f}x",
            )
        )
    columns = ("case", "events", "SST", "embedded", "total error", "event median", "event 95 %", "wall")
    source = "live" if outcome.live else "recorded"
    console.print(_table(f"embedded engine against SST {outcome.sst_version} ({source})", columns, rows, left=1))
    said = outcome.as_dict()
    console.print(
        f"all events: median {said['event_error_median']:.2%}, 95 % {said['event_error_p95']:.2%}; "
        + ("within the bounds" if not outcome.violations() else "; ".join(outcome.violations())),
        highlight=False,
    )


def print_replay(found: Replay, console: Console | None = None) -> None:
    """Total time, and whether it is the saved one."""
    console = console or Console()
    total, saved = (f"{format_quantity(ps, 'ps')} ({ps:,} ps)" for ps in (found.total_ps, found.saved_total_ps))
    console.print(f"{found.events:,} events on engine {found.engine}: {total}", highlight=False, soft_wrap=True)
    if found.equal:
        verdict = "equal to the saved timeline, every event to the picosecond"
    else:
        verdict = f"not equal to the saved timeline: {saved}; the first event that differs is {found.first_difference}"
    console.print(verdict, highlight=False, soft_wrap=True)


def print_listing(found: Mapping[str, Mapping[str, str]], console: Console | None = None) -> None:
    console = console or Console()
    for kind, entries in found.items():
        console.print(Text(kind, "italic"))
        width = max(map(len, entries), default=0)
        for name, line in entries.items():
            # soft_wrap: one line each in a pipe, however narrow rich takes it to be
            console.print(Text.assemble((f"{name:<{width}}", "bold"), "  ", line), soft_wrap=True)


def print_machine(name: str, settings: Mapping[str, Any]) -> None:
    from moe_cosim.assumptions import Assumptions
    from moe_cosim.hw_models.build import build_with_origins
    from moe_cosim.hw_models.merge import EXPERIMENT
    from moe_cosim.hw_models.show import render

    try:
        machine, origins = build_with_origins(name, Assumptions(), settings)
    except InputError as error:
        if error.where != EXPERIMENT:
            raise
        where = "show" if error.field == "machine" else "--set"
        raise InputError(where, error.field.removeprefix("set."), error.found, error.allowed) from None
    Console().print(render(machine, origins))


def print_routing_stats(stats: Any) -> None:
    from moe_cosim.workloads.routing.render import render

    Console().print(render(stats))


def _headline(result: Result) -> Table:
    rows = []
    if result.decode_tokens_per_s is not None:
        rows.append(("decode throughput", f"{result.decode_tokens_per_s:.3f} tokens/s"))
    rows += [
        ("time to first token", _seconds(result.time_to_first_token_s)),
        ("end to end", f"{_seconds(result.end_to_end_s)} ({result.end_to_end_tokens_per_s:.3f} tokens/s)"),
        ("events", f"{result.events:,} in {result.wall_s:.2f} s (engine {result.engine_s:.2f} s)"),
    ]
    table = Table(show_header=False, box=None)
    for row in rows:
        table.add_row(*row)
    return table


def _critical_path(result: Result) -> Table:
    rows = [
        (row["unit"], row["phase"], row["purpose"], row["bound"], _seconds(row["seconds"]), _percent(row["share"]))
        for row in result.critical_path[:_PATH_ROWS]
    ]
    rest = result.critical_path[_PATH_ROWS:]
    if rest:
        seconds, share = sum(row["seconds"] for row in rest), sum(row["share"] for row in rest)
        rows.append((f"{len(rest)} more", "", "", "", _seconds(seconds), _percent(share)))
    return _table("critical path", ("unit", "phase", "purpose", "bound by", "time", "share"), rows, left=4)


def _units(result: Result) -> Table:
    rows = [
        (
            row["name"],
            row["kind"],
            _seconds(row["busy_s"]),
            _percent(row["utilization"]),
            _percent(row["decode_utilization"]),
        )
        for row in result.units
    ]
    return _table("units", ("unit", "kind", "busy", "utilization", "in decode"), rows)


def _traffic(result: Result) -> Table:
    rows = [(name, _bytes(row["memory_bytes"]), _bytes(row["link_bytes"])) for name, row in result.traffic.items()]
    return _table("bytes moved by kind", ("kind", "through memories", "over links"), rows, left=1)


def _memories_and_links(result: Result) -> Table:
    rows = [
        (
            r["name"],
            _bytes(r["read_bytes"]),
            _bytes(r["written_bytes"]),
            _rate(r["achieved_bytes_per_s"]),
            _rate(r["peak_bytes_per_s"]),
            _percent(r["utilization"]),
        )
        for r in result.memories
    ]
    rows += [
        (
            r["name"],
            _bytes(r["bytes"]),
            "",
            _rate(r["achieved_bytes_per_s"]),
            _rate(r["peak_bytes_per_s"]),
            _percent(r["utilization"]),
        )
        for r in result.links
    ]
    columns = ("memory or link", "read or carried", "written", "achieved", "peak", "utilization")
    return _table("memories and links, mean over the run", columns, rows, left=1)


def _experts(result: Result) -> Table:
    rows = [(name.replace("_", " "), "-" if value is None else _plain(value)) for name, value in result.experts.items()]
    if result.mean_loss is not None:
        rows.append(("mean loss per routed token", f"{result.mean_loss:.4g}"))
    return _table("experts in decode", ("figure", "value"), rows, left=1)


def _assumptions(assumptions: Iterable[Mapping[str, Any]]) -> Table:
    rows = [(row["name"], str(row["value"]), " … ".join(map(str, row["range"]))) for row in assumptions]
    return _table("assumptions", ("name", "value", "range"), rows, left=3)


def _sensitivity(rows: list[dict[str, Any]]) -> Table:
    """One line per assumption value, one column per cell."""
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    lines: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        lines.setdefault((row["assumption"], str(row["value"])), {})[row["cell"]] = row["simulated"]
    body = [(*name, *(f"{found[cell]:.2f}" for cell in cells)) for name, found in lines.items()]
    return _table("sensitivity (one assumption at a time)", ("assumption", "value", *cells), body)


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str | Text, ...]], left: int = 2) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def _seconds(value: float) -> str:
    return format_quantity(value * 1e12, "ps")


def _bytes(value: float) -> str:
    return format_quantity(value, "bytes")


def _rate(value: float) -> str:
    return format_quantity(value, "bytes/s")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _ratio(ratio: float) -> Text:
    return Text(f"{ratio:.2f}", "green" if abs(ratio - 1) <= 0.15 else "yellow")


def _plain(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
