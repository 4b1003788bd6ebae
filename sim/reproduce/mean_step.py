"""A long output from a few simulated steps: each taken at their mean."""

from __future__ import annotations

from moe_cosim.sim.results.result import Result


def decode_s(result: Result) -> float:
    """Time of one decode step."""
    return result.decode_s / result.decode_steps


def end_to_end_s(result: Result, output_tokens: int) -> float:
    """The prefill, and every step of the whole output."""
    return result.time_to_first_token_s + decode_s(result) * (output_tokens - 1)
