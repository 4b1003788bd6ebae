"""Consecutive tokens share experts: what real traces show, and the generator after them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.workloads.routing import RoutingShape, read_trace, routing_source

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "routing"
TRACES = {"deepseek-v2-lite": "deepseek_v2_lite_top6.npz", "gpt-oss-20b": "gpt_oss_20b_decode_top4.npz"}
MEASURED = {
    "deepseek-v2-lite": {2: 10.33, 3: 14.01, 4: 17.03, 5: 19.72, 8: 26.24},
    "gpt-oss-20b": {2: 6.23, 3: 7.93, 4: 9.29, 5: 10.40, 8: 12.82},
}
"""Different experts among so many consecutive tokens, mean over layers (docs/speculative-decoding.md)."""
SHARED = {"deepseek-v2-lite": {1: 1.671, 2: 1.265, 3: 1.528}, "gpt-oss-20b": {1: 1.770, 2: 1.541, 3: 1.496}}
"""Experts in common to two tokens of one document so many apart, over the whole traces."""
NO_PERIOD = {("deepseek-v2-lite", 3): 0.23}
"""By how much the generator may miss what its trace repeats every third token (translations); 0.05 elsewhere."""
SHAPES = {"deepseek-v2-lite": (26, 64, 6), "gpt-oss-20b": (24, 32, 4)}


def unions(experts: NDArray[np.uint16], tokens: int, num_experts: int) -> float:
    """Mean over places and layers, of [sequences, tokens, layers, k]."""
    hot = np.zeros((*experts.shape[:3], num_experts), np.bool_)
    np.put_along_axis(hot, experts.astype(np.int64), True, axis=3)
    places = hot.shape[1] - tokens + 1
    joined = np.zeros((hot.shape[0], places, *hot.shape[2:]), np.bool_)
    for ahead in range(tokens):
        joined |= hot[:, ahead : ahead + places]
    return float(joined.sum(axis=3).mean())


def shared(experts: NDArray[np.uint16], apart: int) -> float:
    """Mean over places and layers, of [sequences, tokens, layers, k]."""
    first, second = experts[:, :-apart, :, :, None], experts[:, apart:, :, None, :]
    return float((first == second).sum(axis=(3, 4)).mean())


@pytest.mark.parametrize("preset", SHAPES)
def test_the_generator_shares_experts_between_consecutive_tokens_as_traces_do(preset: str) -> None:
    layers, experts, k = SHAPES[preset]
    shape = RoutingShape(layers, experts, k, sequences=24, prompt_tokens=1, output_tokens=96)
    drawn = routing_source({"source": "generator", "preset": preset}).draw(shape, 5, Assumptions())
    chosen = drawn.decode_experts.swapaxes(0, 1)
    for tokens, measured in MEASURED[preset].items():
        assert unions(chosen, tokens, experts) == pytest.approx(measured, rel=0.05), tokens
    for apart, measured in SHARED[preset].items():
        within = NO_PERIOD.get((preset, apart), 0.05)
        assert shared(chosen, apart) == pytest.approx(measured, rel=within), apart


@pytest.mark.parametrize("preset", SHAPES)
def test_the_measured_unions_are_those_of_the_traces(preset: str) -> None:
    path = DATA / TRACES[preset]
    if not path.exists():
        pytest.skip("the trace is not here")
    trace = read_trace(path)
    pieces = [trace.experts[a:b][None] for a, b in pairwise(trace.offsets[:61].tolist()) if b - a >= 32]
    for tokens, measured in MEASURED[preset].items():
        found = [unions(piece, tokens, trace.num_experts) for piece in pieces]
        mean = np.average(found, weights=[piece.shape[1] for piece in pieces])
        assert mean == pytest.approx(measured, rel=0.06), tokens
    pieces = [trace.experts[a:b][None] for a, b in pairwise(trace.offsets.tolist())]
    for apart, measured in SHARED[preset].items():
        long = [piece for piece in pieces if piece.shape[1] > apart]
        mean = np.average([shared(piece, apart) for piece in long], weights=[each.shape[1] - apart for each in long])
        assert mean == pytest.approx(measured, abs=0.002), apart
