"""A Hugging Face folder of a model with routed experts."""

from __future__ import annotations

from pathlib import Path

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.models.hf_config import family_name, read_hf_config
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.checkpoints.layouts import LAYOUTS, ExpertWeights, layer_prefixes, layout_of
from moe_cosim.workloads.quantization.checkpoints.shards import Shards


class CheckpointFolder:
    """``config.json`` and safetensors of Mixtral, Qwen-MoE, DeepSeek, OLMoE or gpt-oss; nothing is read ahead."""

    model: Model
    model_type: str
    layers: tuple[int, ...]
    """Numbers of the layers that have routed experts, increasing."""

    def __init__(self, folder: Path) -> None:
        """Raises `InputError` for another family, for missing shards and for experts that are laid out otherwise."""
        self.folder = folder
        config = folder / "config.json"
        self.model_type = family_name(config)
        if self.model_type not in LAYOUTS:
            raise InputError(config, "model_type", self.model_type, LAYOUTS)
        self.model = read_hf_config(config)
        self.shards = Shards(folder)
        self.layers = self.model.moe_layers
        self._prefix = dict(layer_prefixes(self.shards.names()))
        for layer in range(self.model.layers):
            if layer not in self._prefix:
                raise InputError(folder, f"layers.{layer}", Plain("no tensors"), f"{self.model.layers} layers")

    def prefix(self, layer: int) -> str:
        """What the names of a layer's tensors begin with."""
        return self._prefix[layer]

    def expert(self, layer: int, number: int) -> ExpertWeights:
        """One expert. Raises `InputError` for tensors that are missing or of other shapes than the configuration's."""
        layout = layout_of(self.shards, self.model_type, self._prefix[layer])
        found = layout.expert(self.shards, self._prefix[layer], number)
        shape = self.model.expert
        for name, matrix in found._asdict().items():
            sizes = (shape.hidden, shape.intermediate) if name == "down" else (shape.intermediate, shape.hidden)
            if tuple(matrix.shape) != sizes:
                field = f"{self._prefix[layer]}experts.{number} {name}"
                raise InputError(
                    self.folder, field, Plain(str(list(matrix.shape))), f"{list(sizes)}, as config.json says"
                )
        return found

    def biases(self, layer: int, number: int) -> ExpertWeights | None:
        """What one expert adds behind each matrix, where the family has that (gpt-oss)."""
        name = f"{self._prefix[layer]}mlp.experts.gate_up_proj_bias"
        if name not in self.shards:
            return None
        both = self.shards.tensor(name)[number]
        down = self.shards.tensor(f"{self._prefix[layer]}mlp.experts.down_proj_bias")[number]
        return ExpertWeights(both[::2], both[1::2], down)

    def experts(self, layer: int) -> list[ExpertWeights]:
        """All experts of one layer, in their order."""
        return [self.expert(layer, number) for number in range(self.model.routed_experts)]
