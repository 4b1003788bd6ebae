"""The figures of a run that may be asked for, and which of them is its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.sim.display.labels import Label, label
from moe_cosim.sim.display.ratios import speed_up
from moe_cosim.sim.results.result import Result


@dataclass(frozen=True)
class RunMetric:
    """A field of `Result`, or of its energy."""

    name: str
    label: Label

    def of(self, result: Result) -> float | None:
        """None where this run has no such figure."""
        found = getattr(result if hasattr(result, self.name) else result.energy, self.name, None)
        return None if found is None else float(found)

    def times_better(self, figure: float, than: float) -> float | None:
        """How many times `figure` is better; None where it cannot be said."""
        return speed_up(figure, than, self.label.unit) if figure > 0 and than > 0 else None


METRICS: Final = {
    name: RunMetric(name, label(f"{table}{name}"))
    for table, names in (
        ("", ("decode_tokens_per_s", "end_to_end_tokens_per_s", "end_to_end_s", "time_to_first_token_s", "decode_s")),
        ("energy.", ("decode_joules_per_token", "joules_per_token", "decode_joules", "joules", "energy_delay_js")),
        ("energy.", ("mean_w", "decode_mean_w")),
        ("", ("mean_loss", "delta_loss")),
    )
    for name in names
}
ANSWERS: Final = (
    ("decode_tokens_per_s", "decode_joules_per_token"),
    ("end_to_end_tokens_per_s", "joules_per_token"),
)
"""Of a run with decode steps, and of one without: how fast, and how frugal."""


def figures(result: Result) -> dict[str, float]:
    """All that the run has, by name."""
    found = {name: metric.of(result) for name, metric in METRICS.items()}
    return {name: figure for name, figure in found.items() if figure is not None}


def answers(result: Result) -> tuple[str, str]:
    """The names of the two figures that are the answer."""
    return ANSWERS[0] if result.decode_tokens_per_s is not None else ANSWERS[1]


def check_known(names: Sequence[str]) -> None:
    """Raises `InputError` for a name that is no metric."""
    for name in names:
        if name not in METRICS:
            raise InputError("--metric", "metric", name, METRICS)


def check_there(names: Sequence[str], found: Sequence[dict[str, float]], labels: Sequence[str]) -> None:
    """Raises `InputError` for a metric that one of the runs has no figure of."""
    for said, has in zip(labels, found, strict=True):
        for name in names:
            if name not in has:
                raise InputError("--metric", said, name, f"what this run has: {', '.join(has)}")
