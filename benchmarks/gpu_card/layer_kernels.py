"""Kernels and readbacks per layer in a decode step of MoE models of Hugging Face transformers.

Apart from `layers`, whose launches the profiler would slow.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import torch
from decoding import CONTEXT, VARIANTS, Decoder, Variant, decoders
from table import Table
from torch.profiler import ProfilerActivity, profile

COLUMNS: Final = (
    "model", "layers", "batch", "experts_implementation", "mode", "cache", "context", "kernels", "kernels_per_layer",
    "readbacks", "readbacks_per_layer", "copies", "copies_per_layer",
)  # fmt: skip


@torch.no_grad()
def run(table: Table) -> None:
    """Counts of one step. A readback is a copy to the host, which waits for it; copies are the others, and fills.

    Per layer is the difference of the two depths by the difference of their layers, in the deeper model's rows.
    The kernels of a CUDA graph are those of the eager step with the static cache that it is captured from.
    """
    with profile(activities=[ProfilerActivity.CUDA]):  # the first one may miss kernels
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
    for architecture, batch, by_layers in decoders():
        for variant in (variant for variant in VARIANTS if variant.mode == "eager"):
            before: dict[str, int] = {}
            for layers, decoder in by_layers.items():
                named = {"model": architecture.name, "layers": layers, "batch": batch, **variant.columns()}
                table.measure({**named, "context": CONTEXT}, partial(_row, decoder, variant, layers, before))


def _row(decoder: Decoder, variant: Variant, layers: int, before: dict[str, int]) -> dict[str, Any]:
    """`before` holds layers and counts of the model before, and takes this one's."""
    now = _counts(decoder, variant)
    per_layer = {}
    if before:
        more = layers - before["layers"]
        per_layer = {f"{name}_per_layer": round((count - before[name]) / more, 2) for name, count in now.items()}
    before.update(now, layers=layers)
    return {**now, **per_layer}


def _counts(decoder: Decoder, variant: Variant) -> dict[str, int]:
    step = decoder.step(variant)
    step()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        step()
        torch.cuda.synchronize()
    counts = {"kernels": 0, "readbacks": 0, "copies": 0}
    for event in profiler.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            name = event.name
            copied = name.startswith(("Memcpy", "Memset"))
            counts["readbacks" if name.startswith("Memcpy DtoH") else "copies" if copied else "kernels"] += 1
    return counts
