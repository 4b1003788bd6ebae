"""What ``moe-cosim routing stats`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.workloads.routing.statistics import RoutingStats


def routing_report(stats: RoutingStats) -> Report:
    """The trace, and its figures: in CSV one row each, for people what belongs together on one line."""
    size = f"{stats.layers} layers, top-{stats.top_k} of {stats.num_experts}, {stats.tokens} tokens"
    columns = (Column("figure", role="key"), Column("at"), Column("value"))
    people = (Column("figure", role="prose"), Column("value"))
    view = Table("statistics", "routing", people, list(_figures(stats).items()), headings=False)
    return [
        Note(size, stats.where.rsplit("/", 1)[-1]),
        Table("statistics", "routing", columns, list(_rows(stats.as_dict())), view=view),
    ]


def recording_report(document: Mapping[str, Any]) -> Report:
    """What a file holds, a fact a line."""
    facts = [(name.replace("_", " "), value) for name, value in document.items()]
    columns = (Column("fact", role="key"), Column("value", role="prose"))
    return [Table("facts", "recording", columns, facts, headings=False)]


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """(figure, at which distance, capacity, batch, layer or class, value)."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from ((name, str(at), each) for at, each in value.items())
        elif isinstance(value, list):
            yield from ((name, str(at), each) for at, each in enumerate(value))
        else:
            yield name, None, value


def _figures(stats: RoutingStats) -> dict[str, str]:
    layers = stats.lag1_overlap_by_layer
    return {
        "Zipf exponent, pooled / one sequence": _join([stats.zipf_pooled, stats.zipf_one_sequence], 2),
        "share of the top quarter, pooled / one sequence": _join(
            [stats.top_quarter_pooled, stats.top_quarter_one_sequence], 3
        ),
        "max/mean load, pooled": _number(stats.max_over_mean_pooled, 2),
        "overlap of tokens at distance " + _keys(stats.overlap_at_lag): _join(stats.overlap_at_lag.values(), 3),
        "overlap of random pairs, one sequence / two / uniform": _join(
            [stats.overlap_same_sequence, stats.overlap_other_sequence, stats.overlap_uniform], 3
        ),
        "overlap of neighbours, first / middle / last layer": _join(
            [layers[0], layers[len(layers) // 2], layers[-1]], 3
        ),
        "LRU hit rate by experts held per layer": _pairs(stats.lru_hit_rate, 3),
        "distinct experts among independent tokens": _pairs(stats.distinct_experts, 1),
        "next layer predicted / by popularity": _join([stats.next_layer_predicted, stats.next_layer_by_popularity], 3),
        "halves of a sequence, cosine": _number(stats.halves_cosine, 3),
        "max/mean load of a batch": _pairs(stats.batch_max_over_mean, 2),
        "choices of a batch of 512 on cold / warm / hot experts": _join(stats.batch_class_shares, 3),
    }


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value == value else "–"


def _join(values: Iterable[float], digits: int) -> str:
    return " / ".join(_number(value, digits) for value in values)


def _keys(values: Mapping[int, float]) -> str:
    return " / ".join(map(str, values))


def _pairs(values: Mapping[int, float], digits: int) -> str:
    return ", ".join(f"{key}: {_number(value, digits)}" for key, value in values.items())
