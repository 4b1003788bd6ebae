"""How families name and lay out the matrices of routed experts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.quantization.checkpoints.mxfp4_blocks import from_blocks

if TYPE_CHECKING:
    from torch import Tensor

    from moe_cosim.workloads.quantization.checkpoints.shards import Shards


class ExpertWeights(NamedTuple):
    """The matrices of one expert, [out, in]."""

    gate: Tensor
    """[intermediate, hidden]."""
    up: Tensor
    """[intermediate, hidden]."""
    down: Tensor
    """[hidden, intermediate]."""


class ExpertLayout(Protocol):
    """Reads one expert from beneath a layer's prefix."""

    def holds(self, shards: Shards, prefix: str) -> bool:
        """Whether the layer's experts look like this."""

    def expert(self, shards: Shards, prefix: str, number: int) -> ExpertWeights:
        """Matrices of expert `number`, at 16 or 32 bits; `prefix` is the layer's, with its last dot."""


class Separate:
    """Three tensors per expert."""

    def __init__(self, block: str, gate: str, up: str, down: str) -> None:
        self._block, self._names = block, (gate, up, down)

    def holds(self, shards: Shards, prefix: str) -> bool:
        """Whether the layer has tensors of this name."""
        return f"{prefix}{self._block}.0.{self._names[0]}.weight" in shards

    def expert(self, shards: Shards, prefix: str, number: int) -> ExpertWeights:
        """Three tensors, read as they are."""
        return ExpertWeights(*(shards.tensor(f"{prefix}{self._block}.{number}.{name}.weight") for name in self._names))


class Fused:
    """All experts of a layer in two tensors, gate above up: [experts, 2 intermediate, hidden] and
    [experts, hidden, intermediate] (transformers 5)."""

    def holds(self, shards: Shards, prefix: str) -> bool:
        """Whether the layer has tensors of this name."""
        return f"{prefix}mlp.experts.gate_up_proj" in shards

    def expert(self, shards: Shards, prefix: str, number: int) -> ExpertWeights:
        """Gate and up are halves of one tensor's rows."""
        both = shards.tensor(f"{prefix}mlp.experts.gate_up_proj", number)
        gate, up = both.chunk(2, dim=0)
        return ExpertWeights(gate, up, shards.tensor(f"{prefix}mlp.experts.down_proj", number))


class Interleaved:
    """gpt-oss: rows of gate and up alternate; 16-bit tensors lie [experts, in, out]."""

    def holds(self, shards: Shards, prefix: str) -> bool:
        """Whether the layer has tensors of this name."""
        return f"{prefix}mlp.experts.gate_up_proj" in shards

    def expert(self, shards: Shards, prefix: str, number: int) -> ExpertWeights:
        """Stored [in, out], given [out, in]."""
        both = shards.tensor(f"{prefix}mlp.experts.gate_up_proj", number).T
        down = shards.tensor(f"{prefix}mlp.experts.down_proj", number).T
        return ExpertWeights(both[::2], both[1::2], down)


class InterleavedBlocks:
    """gpt-oss as published: mxfp4, ``_blocks`` [experts, out, in / 32, 16] and ``_scales`` [experts, out, in / 32]."""

    def holds(self, shards: Shards, prefix: str) -> bool:
        """Whether the layer has tensors of this name."""
        return f"{prefix}mlp.experts.gate_up_proj_blocks" in shards

    def expert(self, shards: Shards, prefix: str, number: int) -> ExpertWeights:
        """Unpacked from mxfp4, 32 weights to a scale."""
        both, down = (
            from_blocks(
                *(shards.raw(f"{prefix}mlp.experts.{name}_proj_{part}", number) for part in ("blocks", "scales"))
            )
            for name in ("gate_up", "down")
        )
        return ExpertWeights(both[::2], both[1::2], down)


_MIXTRAL: Final = Separate("block_sparse_moe.experts", "w1", "w3", "w2")
_LLAMA: Final = Separate("mlp.experts", "gate_proj", "up_proj", "down_proj")
LAYOUTS: Final[dict[str, tuple[ExpertLayout, ...]]] = {
    "mixtral": (_MIXTRAL, Fused()),
    "qwen2_moe": (_LLAMA, Fused()),
    "qwen3_moe": (_LLAMA, Fused()),
    "deepseek": (_LLAMA,),
    "deepseek_v2": (_LLAMA, Fused()),
    "deepseek_v3": (_LLAMA, Fused()),
    "olmoe": (_LLAMA, Fused()),
    "gpt_oss": (InterleavedBlocks(), Interleaved()),
}
"""By ``model_type``."""

_LAYER: Final = re.compile(r"(.*\blayers\.(\d+)\.)(.+)")


def layer_prefixes(names: list[str]) -> Iterator[tuple[int, str]]:
    """Numbers of layers and what the names of their tensors begin with, once each."""
    seen = set()
    for name in names:
        found = _LAYER.fullmatch(name)
        if found is not None and found[1] not in seen:
            seen.add(found[1])
            yield int(found[2]), found[1]


def layout_of(shards: Shards, model_type: str, prefix: str) -> ExpertLayout:
    """Raises `InputError` where experts are laid out as none of the family's ways."""
    for layout in LAYOUTS[model_type]:
        if layout.holds(shards, prefix):
            return layout
    experts = [name.removeprefix(prefix) for name in shards.names() if name.startswith(prefix) and "expert" in name]
    routed = next((name for name in experts if "shared" not in name), "no tensors of experts")
    raise InputError(shards.folder, prefix.rstrip("."), Plain(routed), f"experts as {model_type} names them")
