"""A long output from a few simulated steps: each taken at their mean."""

from __future__ import annotations

from moe_cosim.sim.reproduce.runs import RunKey
from moe_cosim.sim.results.result import Result


def decode_s(result: Result) -> float:
    """Time of one decode step."""
    return result.decode_s / result.decode_steps


def end_to_end_s(result: Result, output_tokens: int) -> float:
    """The prefill, and every step of the whole output."""
    return result.time_to_first_token_s + decode_s(result) * (output_tokens - 1)


def tokens_per_s(run: RunKey, result: Result, output_tokens: int) -> float:
    """Tokens of a batch's whole output over all of it, the prefill too."""
    return float(dict(run[1])["workload.batch"]) * output_tokens / end_to_end_s(result, output_tokens)


def window(output_tokens: int, steps: int) -> dict[str, int]:
    """Settings that simulate so many `steps` in the middle of the whole output."""
    return {"workload.output_tokens": steps + 1, "workload.skipped_tokens": (output_tokens - steps) // 2}
