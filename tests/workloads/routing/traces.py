"""A small trace, its files, and runs drawn from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.workloads.routing import Routing, RoutingShape, TokenTrace, routing_source

LAYERS, EXPERTS, K = 3, 8, 2


def example(lengths: tuple[int, ...] = (30, 12, 40), seed: int = 0, **extra: object) -> TokenTrace:
    rng = np.random.default_rng(seed)
    tokens = sum(lengths)
    experts = np.argsort(rng.random((tokens, LAYERS, EXPERTS)), axis=2)[:, :, :K].astype(np.uint16)
    weights = rng.random(experts.shape).astype(np.float32)
    weights /= weights.sum(axis=2, keepdims=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values: dict = {"weights": weights, "domains": tuple("law" if n > 20 else "maths" for n in lengths)} | extra
    return TokenTrace(experts=experts, offsets=offsets, num_experts=EXPERTS, **values)


def arrays_of(trace: TokenTrace) -> dict[str, np.ndarray]:
    assert trace.weights is not None
    return {"experts": trace.experts, "weights": trace.weights, "offsets": trace.offsets}


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def run(
    path: Path, shape: RoutingShape, seed: int = 0, settings: dict | None = None, repeat: bool = False
) -> tuple[Routing, list[str]]:
    assumptions = Assumptions(settings)
    source = routing_source({"source": "trace", "file": path.name, "repeat": repeat}, "experiment.yaml", path.parent)
    return source.draw(shape, seed, assumptions), [a.name for a in assumptions.used()]


def shape(sequences: int = 2, prompt: int = 10, output: int = 5) -> RoutingShape:
    return RoutingShape(LAYERS, EXPERTS, K, sequences, prompt, output)
