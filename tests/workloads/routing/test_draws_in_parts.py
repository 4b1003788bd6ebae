"""Draws are cut into parts so that Ctrl-C is heard between them; what is drawn does not depend on where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.workloads.routing import batch_source
from moe_cosim.workloads.routing.counter_based import draw
from moe_cosim.workloads.routing.routing import RoutingShape, routing_source

SHAPE = RoutingShape(3, 40, 4, 5, 70, 9)


@pytest.mark.parametrize(
    ("options", "module", "limit"),
    [
        ({"source": "batch"}, batch_source, "_CHOICES_AT_ONCE"),
        ({"source": "generator", "preset": "mixtral-8x7b"}, draw, "_SCORES_AT_ONCE"),
    ],
    ids=["batch", "generator"],
)
@pytest.mark.parametrize("at_once", [1, 100, 1_000])
def test_parts_of_a_draw_are_the_draw(
    options: dict[str, str], module: object, limit: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn() -> list[np.ndarray]:  # type: ignore[type-arg]
        found = routing_source(options, "experiment", Path()).draw(SHAPE, 7, Assumptions())
        return [found.prefill_experts, found.decode_experts]

    whole = drawn()
    assert getattr(module, limit) > whole[0].size * SHAPE.experts
    monkeypatch.setattr(module, limit, at_once)
    for part, all_of_it in zip(drawn(), whole, strict=True):
        np.testing.assert_array_equal(part, all_of_it)


@pytest.mark.parametrize("size", [(7, 70, 3, 4), (1, 1_000, 60, 8), (0, 5, 1, 1), (5, 0, 1, 1), (3, 1, 1, 1)])
def test_parts_are_all_of_it_in_pieces(size: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for at_once in (1, 100, 10_000):
        monkeypatch.setattr(batch_source, "_CHOICES_AT_ONCE", at_once)
        count = np.zeros(size, int)
        for steps, tokens in batch_source._parts(size):
            count[steps, tokens] += 1
            assert count[steps, tokens].flags.c_contiguous
        assert (count == 1).all()
