"""What ``moe-cosim run`` and ``replay`` show."""

from __future__ import annotations

from typing import Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.cli.tables.results.assumptions import assumptions_table
from moe_cosim.sim.cli.tables.results.sensitivity import moved_most, sensitivity_parts
from moe_cosim.sim.replay import Replay
from moe_cosim.sim.results.first_lines import answer, bound, not_varied
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.sensitivity.sensitivity import Sensitivity

_WORTH_SAYING: Final = ("checkpoint-format", "beyond-context-length", "routing-repeated-documents")
_PATH_ROWS: Final = 12

_RATES: Final = (
    Column("achieved_bytes_per_s", "achieved", "bytes/s"),
    Column("peak_bytes_per_s", "peak", "bytes/s", priority=1),
    Column("utilization", unit="share"),
)
_HEADLINE: Final = (
    "name",
    "machine",
    "model",
    "policy",
    "routing",
    "engine",
    "seed",
    "decode_tokens_per_s",
    "end_to_end_s",
    "end_to_end_tokens_per_s",
    "time_to_first_token_s",
    "decode_s",
    "decode_steps",
    "mean_loss",
    "delta_loss",
    "losses",
    "events",
    "wall_s",
    "engine_s",
)
_ENERGY: Final = ("joules", "joules_per_token", "decode_joules_per_token", "mean_w", "energy_delay_js")  # fmt: skip


def result_report(result: Result, sensitivity: Sensitivity | None = None) -> Report:
    """The answer, what bounds it and what moves it most; then headline, where the time went, units, memories and links,
    experts, assumptions."""
    extrapolated = []
    if result.extrapolation is not None:
        text = "{method}; window: {window}, {events:,} events, ratio {ratio:.4f}".format(
            **result.extrapolation.as_dict()
        )
        extrapolated = [Note(text, "extrapolated")]
    return [
        Note(answer(result), "answer"),
        Note(bound(result), "bound by"),
        Note(not_varied(result) if sensitivity is None else moved_most(sensitivity), "moved most by"),
        Note(f"{result.policy} on {result.machine}, {result.model}", result.name),
        Note(f"routing: {result.routing}; engine {result.engine}, seed {result.seed}", dim=True),
        *_losses(result),
        *_warnings(result),
        _headline(result),
        *sensitivity_parts(sensitivity),
        _critical_path(result),
        _units(result),
        _memories(result),
        _links(result),
        _traffic(result),
        _energy(result),
        _energy_purposes(result),
        *_unknown_energy(result),
        _experts(result),
        _precisions(result),
        assumptions_table(row.as_dict() for row in result.assumptions),
        *extrapolated,
        Note("The reason for each assumption: --table assumptions --csv, or summary.md with --out.", dim=True),
    ]


def _losses(result: Result) -> list[Note]:
    """Where losses are from; nothing of a run that has none."""
    if not result.mean_loss or result.losses is None:
        return []
    return [Note(f"losses: {result.losses}")]


def replay_report(found: Replay) -> Report:
    """Total time, and whether it is the saved one."""
    total, saved = (f"{format_quantity(ps, 'ps')} ({ps:,} ps)" for ps in (found.total_ps, found.saved_total_ps))
    if found.equal:
        verdict = "equal to the saved timeline, every event to the picosecond"
    else:
        verdict = f"not equal to the saved timeline: {saved}; the first event that differs is {found.first_difference}"
    return [Note(f"{found.events:,} events on engine {found.engine}: {total}"), Note(verdict)]


def _headline(result: Result) -> Table:
    """One row, so that those of many runs can stand below each other; people see it upright."""
    said = []
    if result.decode_tokens_per_s is not None:
        said.append(("decode throughput", f"{result.decode_tokens_per_s:.3f} tokens/s"))
    if result.verify is not None:
        each = result.verify
        text = f"{each.yielded_tokens:.3f} tokens a step of {each.verified_tokens} verified"
        said.append(("verified", f"{text}; {each.distinct_experts:.2f} experts a layer"))
    if result.delta_loss is not None:
        said.append(("expected Δ loss", f"{result.delta_loss:+.4g} nats per token"))
    end_to_end = f"{_seconds(result.end_to_end_s)} ({result.end_to_end_tokens_per_s:.3f} tokens/s)"
    said += [
        ("time to first token", _seconds(result.time_to_first_token_s)),
        ("end to end", end_to_end),
        ("events", f"{result.events:,} in {result.wall_s:.2f} s (engine {result.engine_s:.2f} s)"),
    ]
    if result.energy is not None:
        per_token = format_quantity(result.energy.joules_per_token, "J")
        said.append(("energy", f"{per_token} a token, {format_quantity(result.energy.mean_w, 'W')} on average"))
    upright = Table("headline", "", (Column("figure", role="key"), Column("value")), said, headings=False)
    row = [getattr(result, name) for name in _HEADLINE]
    row += [getattr(result.energy, name, None) for name in _ENERGY]
    return Table("headline", "", [Column(name) for name in (*_HEADLINE, *_ENERGY)], [row], view=upright)


def _warnings(result: Result) -> list[Note]:
    """Assumptions that say something else ran than what was asked for, or beyond what it was made for."""
    return [Note(row.source, row.name) for row in result.assumptions if row.name in _WORTH_SAYING]


def _precisions(result: Result) -> Table:
    columns = (
        Column("part", role="key"),
        Column("unit", role="key"),
        Column("format"),
        Column("bits_per_weight", "bits", form=".3f"),
        Column("computed_as", "computed as"),
    )
    rows = [[getattr(row, column.name) for column in columns] for row in result.precisions]
    return Table("precisions", "precisions", columns, rows)


def _critical_path(result: Result) -> Table:
    columns = (
        Column("unit", role="key"),
        Column("phase"),
        Column("purpose", role="key"),
        Column("bound", "bound by"),
        Column("seconds", "time", "s", adds=True),
        Column("share", unit="share", adds=True),
    )
    names = [column.name for column in columns]
    rows = [[getattr(row, name) for name in names] for row in result.critical_path]
    return Table("critical_path", "critical path", columns, rows, shown=_PATH_ROWS)


def _units(result: Result) -> Table:
    columns = (
        Column("name", "unit", role="key"),
        Column("kind", priority=1),
        Column("busy_s", "busy", "s"),
        Column("utilization", unit="share"),
        Column("decode_utilization", "in decode", "share"),
    )
    return Table("units", "units", columns, [[getattr(row, column.name) for column in columns] for row in result.units])


def _memories(result: Result) -> Table:
    columns = (
        Column("name", "memory", role="key"),
        Column("read_bytes", "read", "bytes"),
        Column("written_bytes", "written", "bytes"),
        *_RATES,
    )
    rows = [[getattr(row, column.name) for column in columns] for row in result.memories]
    return Table("memories", "memories, mean over the run", columns, rows)


def _links(result: Result) -> Table:
    columns = (Column("name", "link", role="key"), Column("bytes", "carried", "bytes"), *_RATES)
    rows = [[getattr(row, column.name) for column in columns] for row in result.links]
    return Table("links", "links, mean over the run", columns, rows)


def _traffic(result: Result) -> Table:
    columns = (
        Column("kind", role="key"),
        Column("memory_bytes", "through memories", "bytes"),
        Column("crossed_bytes", "over links", "bytes"),
        Column("link_bytes", "link by link", "bytes", priority=1),
    )
    rows = [(kind, row.memory_bytes, row.crossed_bytes, row.link_bytes) for kind, row in result.traffic.items()]
    return Table("traffic", "bytes moved by kind", columns, rows)


def _energy(result: Result) -> Table:
    columns = (
        Column("component", role="key"),
        Column("kind", priority=1),
        Column("cause", role="key"),
        Column("joules", "energy", "J", adds=True),
        Column("mean_w", "mean", "W", adds=True),
        Column("share", unit="share", adds=True),
    )
    rows = [[getattr(row, column.name) for column in columns] for row in result.energy_components]
    return Table("energy", "energy, by component", columns, rows, shown=_PATH_ROWS)


def _energy_purposes(result: Result) -> Table:
    columns = (
        Column("phase", role="key"),
        Column("purpose", role="key"),
        Column("joules", "energy", "J", adds=True),
        Column("share", unit="share", adds=True),
    )
    rows = [[getattr(row, column.name) for column in columns] for row in result.energy_purposes]
    return Table("energy_purposes", "energy, by purpose", columns, rows, shown=_PATH_ROWS)


def _unknown_energy(result: Result) -> list[Note]:
    """What takes more than nothing and is counted nowhere."""
    if result.energy is None or not result.energy.unknown:
        return []
    return [Note(f"unknown, and in no sum: {', '.join(result.energy.unknown)}", "energy")]


def _experts(result: Result) -> Table:
    rows = [
        *result.experts.as_dict().items(),
        ("mean_loss", result.mean_loss),
        ("delta_loss", result.delta_loss),
    ]
    shown = [(name.replace("_", " "), value) for name, value in result.experts.as_dict().items()]
    if result.mean_loss is not None:
        shown.append(("mean loss per routed token", result.mean_loss))
    if result.delta_loss is not None:
        shown.append(("Δ loss, nats per token", result.delta_loss))
    columns = (Column("figure", role="key"), Column("value", form=",.4g"))
    said = [(name, _plain(value)) for name, value in shown]
    view = Table("experts", "experts in decode", (columns[0], Column("value")), said)
    return Table("experts", "experts in decode", columns, rows, view=view)


def _plain(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def _seconds(value: float) -> str:
    return format_quantity(value * 1e12, "ps")
