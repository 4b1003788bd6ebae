"""Figures of a run that measurements of whole systems are compared with, by the names that results have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from moe_cosim.experiment import Workload
from moe_cosim.sim.results.result import Result

_RATES: Final = dict.fromkeys(("tokens/s", "tok/s", "t/s"), 1.0)
_TIMES: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_TIMES_PER_TOKEN: Final = _TIMES | {f"{unit}/token": size for unit, size in _TIMES.items()}


@dataclass(frozen=True)
class Metric:
    """`units`: what one of each unit is in the unit that the name says."""

    units: Mapping[str, float]
    of: Callable[[Result, Workload], float | None]
    """None where the run has no such figure."""


def _s_per_token(result: Result, _: Workload) -> float | None:
    return result.decode_s / result.decode_steps if result.decode_steps else None


METRICS: Final[dict[str, Metric]] = {
    "decode_tokens_per_s": Metric(_RATES, lambda result, _: result.decode_tokens_per_s),
    "decode_s_per_token": Metric(_TIMES_PER_TOKEN, _s_per_token),
    "prefill_tokens_per_s": Metric(
        _RATES, lambda result, work: work.batch * work.prompt_tokens / result.time_to_first_token_s
    ),
    "time_to_first_token_s": Metric(_TIMES, lambda result, _: result.time_to_first_token_s),
    "end_to_end_tokens_per_s": Metric(_RATES, lambda result, _: result.end_to_end_tokens_per_s),
    "end_to_end_s": Metric(_TIMES, lambda result, _: result.end_to_end_s),
}
"""Rates are of all sequences together; a token's time in decode is that between two tokens of one sequence."""

SHORT_NAMES: Final = {
    "decode": "decode_tokens_per_s",
    "itl": "decode_s_per_token",
    "prefill": "prefill_tokens_per_s",
    "ttft": "time_to_first_token_s",
    "throughput": "end_to_end_tokens_per_s",
}
"""As people write them, in any case."""
