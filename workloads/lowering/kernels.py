"""Kernels on the GPU's lane, and the activations that they read and write."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.scene import Cells, Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, CONTENTS, PURPOSES, READ, STREAM

WEIGHTS, ACTIVATIONS, KV = (CONTENTS.index(name) for name in ("weights", "activations", "kv"))


def add_kernels(
    scene: Scene, place: Place, purpose: str, tokens: int, busy_ps: ArrayLike, ranges: tuple[Range, ...]
) -> None:
    """Streams on the GPU's first lane, one for each row of `place`, with what a kernel of its model takes to launch."""
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        place,
        Purpose(PURPOSES.index(purpose), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        busy_ps=busy_ps,
        ranges=ranges,
    )


def add_launches(scene: Scene, place: Place) -> None:
    """What the software takes for the attention of one more micro-batch in a layer."""
    if scene.software.layer_ps:
        purpose = Purpose(PURPOSES.index("host"))
        scene.sheet.add(COMPUTE, scene.gpu_lane, place, purpose, busy_ps=scene.software.layer_ps)


def rows_of(scene: Scene, tokens: int, op: int) -> Range:
    """Activations of so many tokens; of a prompt in micro-batches no more than have room at a time."""
    memory = scene.gpu.local_memory
    size = min(ACTIVATION_BYTES * scene.model.hidden * tokens, scene.layout.activation_bytes[memory])
    return Range(scene.layout.activations[memory], size, op, ACTIVATIONS)


def dense_weights(
    scene: Scene, cells: Cells, part: Literal["attention", "ffn"], begin: float = 0, end: float = 1
) -> list[Range]:
    """Reads of a layer's weights of that part, from the share `begin` of them to the share `end`: of what stays in the
    GPU's memory and, where some is loaded for every step, of the buffer that it is loaded into."""
    layout, (step, layer) = scene.layout, cells
    of_ffn = np.where(np.isin(layer, scene.moe_layers), layout.shared_bytes, layout.dense_ffn_bytes)
    address, size = (
        (layout.attention[layer], layout.attention_bytes[layer]) if part == "attention" else (layout.ffn[layer], of_ffn)
    )
    dense = None if layout.host is None else layout.host.dense
    if dense is None:
        return [_cut(address, size, begin, end)]
    loaded, before = dense.attention_bytes[layer], np.zeros_like(layer)
    if part == "ffn":
        loaded, before = dense.ffn_bytes[layer], loaded
    buffer = dense.buffer(step, layer) + before
    return [_cut(address, size - loaded, begin, end), _cut(buffer, loaded, begin, end)]


def _cut(address: Ints, size: Ints, begin: float, end: float) -> Range:
    if (begin, end) == (0, 1):
        return Range(address, size, READ, WEIGHTS)
    first, last = (np.floor(share * size).astype(np.int64) for share in (begin, end))
    return Range(address + first, last - first, READ, WEIGHTS)
