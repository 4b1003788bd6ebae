"""What an expert computes, on matrices of any origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder, ExpertWeights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ExpertFunction:
    """down(activate(gate(x), up(x))), with biases where a family has them."""

    activate: Callable[[Tensor, Tensor], Tensor]
    biases: ExpertWeights | None = None

    def between(self, weights: ExpertWeights, inputs: Tensor) -> Tensor:
        """[tokens, intermediate] of float32 inputs [tokens, hidden]: what `down` multiplies."""
        gate, up = inputs @ weights.gate.float().T, inputs @ weights.up.float().T
        if self.biases is not None:
            gate, up = gate + self.biases.gate.float(), up + self.biases.up.float()
        return self.activate(gate, up)

    def down(self, weights: ExpertWeights, between: Tensor) -> Tensor:
        """[tokens, hidden]."""
        output = between @ weights.down.float().T
        return output if self.biases is None else output + self.biases.down.float()

    def __call__(self, weights: ExpertWeights, inputs: Tensor) -> Tensor:
        return self.down(weights, self.between(weights, inputs))


def activation(config: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Of a transformers configuration: gated by its ``hidden_act``; gpt-oss clamps both and adds 1 to what is gated
    (arXiv 2508.10925, 2.2)."""
    if getattr(config, "swiglu_limit", None) is not None:
        limit, alpha = float(config.swiglu_limit), float(getattr(config, "swiglu_alpha", 1.702))

        def clamped(gate: Tensor, up: Tensor) -> Tensor:
            gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
            return (up + 1) * gate * (gate * alpha).sigmoid()

        return clamped
    from transformers.activations import ACT2FN

    act = ACT2FN[config.hidden_act]
    return lambda gate, up: act(gate) * up


class LayerExperts:
    """The experts of one layer in memory, as stored, and what they compute."""

    def __init__(self, folder: CheckpointFolder, layer: int, config: Any) -> None:
        self.weights = folder.experts(layer)
        activate = activation(config)
        self.functions = [ExpertFunction(activate, folder.biases(layer, number)) for number in range(len(self.weights))]

    def __call__(self, inputs: Tensor, chosen: Tensor, gates: Tensor) -> Tensor:
        """[tokens, hidden]: the gated sum over the chosen experts [tokens, k] of each token."""
        import torch

        total = torch.zeros_like(inputs)
        for number, (weights, function) in enumerate(zip(self.weights, self.functions, strict=True)):
            tokens, places = torch.where(chosen == number)
            if len(tokens):
                total.index_add_(0, tokens, function(weights, inputs[tokens]) * gates[tokens, places, None])
        return total
