"""The figures of a run that may be asked for, and which of them is its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.sim.results.result import Result


@dataclass(frozen=True)
class RunMetric:
    """A field of `Result`, or of its energy."""

    name: str
    unit: str
    """As people read it; ``s``, ``J`` and ``W`` are scaled."""
    more_is_better: bool = False

    def of(self, result: Result) -> float | None:
        """None where this run has no such figure."""
        found = getattr(result if hasattr(result, self.name) else result.energy, self.name, None)
        return None if found is None else float(found)

    def times_better(self, figure: float, than: float) -> float | None:
        """How many times `figure` is better; None where it cannot be said."""
        better, worse = (figure, than) if self.more_is_better else (than, figure)
        return better / worse if worse > 0 else None


METRICS: Final = {
    metric.name: metric
    for metric in (
        RunMetric("decode_tokens_per_s", "tokens/s", more_is_better=True),
        RunMetric("end_to_end_tokens_per_s", "tokens/s", more_is_better=True),
        RunMetric("end_to_end_s", "s"),
        RunMetric("time_to_first_token_s", "s"),
        RunMetric("decode_s", "s"),
        RunMetric("decode_joules_per_token", "J"),
        RunMetric("joules_per_token", "J"),
        RunMetric("decode_joules", "J"),
        RunMetric("joules", "J"),
        RunMetric("energy_delay_js", "J s"),
        RunMetric("mean_w", "W"),
        RunMetric("decode_mean_w", "W"),
        RunMetric("mean_loss", ""),
        RunMetric("delta_loss", "nats per token"),
    )
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
    for label, has in zip(labels, found, strict=True):
        for name in names:
            if name not in has:
                raise InputError("--metric", label, name, f"what this run has: {', '.join(has)}")
