"""A decode step of MoE models of Hugging Face transformers, per step and per layer, eagerly and in a CUDA graph."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import torch
from decoding import CONTEXT, VARIANTS, Decoder, Variant, decoders
from table import Table
from timing import Timing, capture, replay_us, wall_us, warm

COLUMNS: Final = (
    "model", "layers", "batch", "experts_implementation", "mode", "cache", "context", "step_us", "fastest_us",
    "per_layer_us", "device_step_us", "device_per_layer_us", "repetitions",
)  # fmt: skip
REPEATED: Final = 5


@torch.no_grad()
def run(table: Table) -> None:
    """`step_us` is the host's with the wait; `device_step_us` lies between events on the stream, waits included.

    Per layer is the difference of the two depths by the difference of their layers, in the deeper model's rows. The
    context of a dynamic cache grows by some 20 tokens meanwhile.
    """
    for architecture, batch, by_layers in decoders():
        for variant in VARIANTS:
            before: dict[str, float] = {}
            for layers, decoder in by_layers.items():
                named = {"model": architecture.name, "layers": layers, "batch": batch, **variant.columns()}
                measured = partial(_row, decoder, variant, layers, before)
                table.measure({**named, "context": CONTEXT}, measured)


def _row(decoder: Decoder, variant: Variant, layers: int, before: dict[str, float]) -> dict[str, Any]:
    """`before` holds layers and times of the model before, and takes this one's."""
    host, device = (_eager if variant.mode == "eager" else _graph)(decoder, variant)
    now = {"layers": layers, "per_layer_us": host.time_us, "device_per_layer_us": device.time_us}
    per_layer = {}
    if before:
        more = layers - before["layers"]
        per_layer = {name: round((now[name] - before[name]) / more, 2) for name in now if name != "layers"}
    before.update(now)
    return {
        "step_us": round(host.time_us, 1),
        "fastest_us": round(host.fastest_us, 1),
        "device_step_us": round(device.time_us, 1),
        "repetitions": host.repetitions,
        **per_layer,
    }


def _eager(decoder: Decoder, variant: Variant) -> tuple[Timing, Timing]:
    step = decoder.step(variant)
    host = wall_us(step, repetitions=REPEATED)
    times_us = []
    for _ in range(REPEATED):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        torch.cuda.synchronize()
        times_us.append(1e3 * begin.elapsed_time(end))
    return host, Timing.of(times_us, 1)


def _graph(decoder: Decoder, variant: Variant) -> tuple[Timing, Timing]:
    step = decoder.step(variant)
    warm(lambda _: step(), 2)
    graph = capture(lambda _: step(), 1)
    decoder.rewind()
    host = wall_us(graph.replay)
    decoder.rewind()
    return host, replay_us(graph)
