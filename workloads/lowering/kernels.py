"""Kernels on the GPU's lane, and the activations that they read and write."""

from __future__ import annotations

from numpy.typing import ArrayLike

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, STREAM

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


def rows_of(scene: Scene, tokens: int, op: int) -> Range:
    """Activations of so many tokens."""
    scratch = scene.layout.activations[scene.gpu.local_memory]
    return Range(scratch, ACTIVATION_BYTES * scene.model.hidden * tokens, op, ACTIVATIONS)
