"""Attention of every layer, on the GPU or beside where keys and values lie."""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.workloads.lowering.attention.cross import lower_cross_attention
from moe_cosim.workloads.lowering.attention.own import lower_own_attention
from moe_cosim.workloads.lowering.passes import Pass
from moe_cosim.workloads.lowering.scene import Scene


def lower_attention(scene: Scene, passes: Sequence[Pass]) -> None:
    """All its events, for every step and layer at once."""
    lower_own_attention(scene, passes)
    lower_cross_attention(scene, passes)
