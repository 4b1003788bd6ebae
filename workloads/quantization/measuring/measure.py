"""From a Hugging Face folder to a table of losses, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder
from moe_cosim.workloads.quantization.measuring.calibration_tokens import calibration_tokens
from moe_cosim.workloads.quantization.measuring.layer_losses import layer_losses, weight_losses
from moe_cosim.workloads.quantization.measuring.layered_model import LayeredModel
from moe_cosim.workloads.quantization.measuring.measured import Measured
from moe_cosim.workloads.quantization.measuring.wanted import Wanted
from moe_cosim.workloads.quantization.measuring.work_folder import WorkFolder

Progress = Callable[[int, int], None]
"""Takes layers done, and how many there are."""


def measure(folder: CheckpointFolder, wanted: Wanted, work: WorkFolder, progress: Progress) -> Measured:
    """Losses of every expert, with the routing that calibration saw; what `work` has is not done again.

    Raises `InputError` for weights or calibration that cannot be used.
    """
    import torch

    with torch.inference_mode():
        if wanted.calibration is None:
            return _without_data(folder, wanted, work, progress)
        return _calibrated(folder, wanted, work, progress)


def _without_data(folder: CheckpointFolder, wanted: Wanted, work: WorkFolder, progress: Progress) -> Measured:
    layers = folder.layers
    for done in range(work.done(len(layers)), len(layers)):
        progress(done, len(layers))
        where = folder.prefix(layers[done]).rstrip(".")
        work.save_layer(done, {"loss": weight_losses(folder.experts(layers[done]), wanted, where)})
    return Measured.of_weights(folder, wanted, [work.layer(layer)["loss"] for layer in range(len(layers))])


def _calibrated(folder: CheckpointFolder, wanted: Wanted, work: WorkFolder, progress: Progress) -> Measured:
    import torch

    ids = torch.from_numpy(calibration_tokens(wanted, folder.model.vocab))
    model = LayeredModel(folder)
    layers = folder.model.layers
    hidden = model.embed(ids)
    delta = -(-wanted.delta_tokens // ids.shape[1])
    streams = hidden[:0]
    start = work.done(layers)
    if start:
        state = work.state(start - 1)
        hidden, streams = state["hidden"], state["streams"]
    for layer in range(start, layers):
        progress(layer, layers)
        hidden, streams, arrays = _layer(model, folder, wanted, layer, hidden, streams, delta)
        work.save_state(layer, {"hidden": hidden, "streams": streams})
        work.save_layer(layer, arrays)
    found = [work.layer(layer) for layer in range(layers)]
    changes = None
    if delta:
        plain = model.losses(hidden[:delta], ids[:delta])
        shape = len(folder.layers), len(wanted.bits), delta
        again = model.losses(streams, ids[:delta].repeat(shape[0] * shape[1], 1)).reshape(shape)
        changes = (again.double() - plain.double()).numpy()
    return Measured.calibrated(folder, wanted, [found[layer] for layer in folder.layers], ids.shape[1], changes)


def _layer(
    model: LayeredModel, folder: CheckpointFolder, wanted: Wanted, layer: int, hidden: Any, streams: Any, delta: int
) -> tuple[Any, Any, dict[str, NDArray[Any]]]:
    """Hidden states behind the layer, of the exact model and of those with one earlier layer quantized (this one's
    come behind them, per width), and what is to be kept."""
    import torch

    experts = model.load(layer)
    seen: list[Any] = []
    hidden = model.run(layer, hidden, experts, seen)
    streams = model.run(layer, streams, experts) if len(streams) else streams
    model.drop(layer)
    if experts is None:
        return hidden, streams, {"dense": np.array(True)}
    inputs, chosen, gates = (torch.cat(parts) for parts in zip(*seen, strict=True))
    first = delta * hidden.shape[1]
    losses, added = layer_losses(experts, (inputs, chosen, gates), wanted, first, folder.prefix(layer).rstrip("."))
    if delta:
        streams = torch.cat([streams, *(hidden[:delta] + part.reshape(hidden[:delta].shape) for part in added)])
    order = torch.argsort(gates, dim=1, descending=True, stable=True)
    kept = {
        "experts": chosen.gather(1, order).numpy().astype(np.uint16),
        "weights": gates.gather(1, order).numpy().astype(np.float32),
    }
    return hidden, streams, {**vars(losses), **kept}
