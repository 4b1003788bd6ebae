"""What each expert of one layer loses at each width, on the tokens that were routed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.quantization.checkpoints import ExpertWeights
from moe_cosim.workloads.quantization.measuring.experts import LayerExperts
from moe_cosim.workloads.quantization.measuring.wanted import Wanted
from moe_cosim.workloads.quantization.quantizers import quantizer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class LayerLosses:
    """[experts, widths] each."""

    loss: NDArray[np.float64]
    """Mean over routed tokens of gate^2 times the squared error of the expert's output, per element."""
    output_error: NDArray[np.float64]
    """The same without the gate."""
    hessian_error: NDArray[np.float64]
    """Mean over routed tokens of the squared error of its three products, of exact inputs: tr(D H D^T) / tokens."""
    tokens: NDArray[np.int64]
    """[experts] that were routed there."""


def layer_losses(
    experts: LayerExperts, seen: tuple[Tensor, Tensor, Tensor], wanted: Wanted, first: int, where: str
) -> tuple[LayerLosses, list[Tensor]]:
    """Losses, and per width what quantizing all experts adds to the layer's output of `first` tokens [first, hidden].

    `seen`: routed inputs [tokens, hidden], chosen experts and gates [tokens, k]. An expert that no token was routed to
    is measured on all of them, with their mean gate. Raises `InputError` calling matrices `where`.
    """
    import torch

    inputs, chosen, gates = seen
    shape = len(experts.weights), len(wanted.bits)
    loss, output_error, hessian_error = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    counts = np.zeros(shape[0], np.int64)
    added = [torch.zeros(first, inputs.shape[1]) for _ in wanted.bits]
    for number, (weights, function) in enumerate(zip(experts.weights, experts.functions, strict=True)):
        tokens, places = torch.where(chosen == number)
        counts[number] = len(tokens)
        mine, gate = (
            (inputs[tokens], gates[tokens, places]) if len(tokens) else (inputs, gates.mean().expand(len(inputs)))
        )
        between = function.between(weights, mine)
        exact = function.down(weights, between)
        into, out = mine.T @ mine, between.T @ between
        for column, width in enumerate(wanted.bits):
            method = quantizer(wanted.method, width, wanted.group_size, wanted.zero_point)
            named = f"{where}.experts.{number}"
            made = ExpertWeights(
                method.quantize(weights.gate, into, f"{named} gate").dequantize(),
                method.quantize(weights.up, into, f"{named} up").dequantize(),
                method.quantize(weights.down, out, f"{named} down").dequantize(),
            )
            off = function(made, mine) - exact
            squared = off.square().mean(dim=1)
            loss[number, column] = float((gate.square() * squared).mean())
            output_error[number, column] = float(squared.mean())
            hessian_error[number, column] = sum(
                float((((new - old.float()) @ hessian) * (new - old.float())).sum())
                for new, old, hessian in zip(made, weights, (into, into, out), strict=True)
            ) / len(mine)
            early = tokens < first
            added[column].index_add_(0, tokens[early], off[: len(tokens)][early] * gate[: len(tokens)][early, None])
    return LayerLosses(loss, output_error, hessian_error, counts), added


def weight_losses(experts: list[ExpertWeights], wanted: Wanted, where: str) -> NDArray[np.float64]:
    """[experts, widths] without data: the squared error of an expert's weights over their squares."""
    loss = np.zeros((len(experts), len(wanted.bits)))
    for number, weights in enumerate(experts):
        size = sum(float(matrix.float().square().sum()) for matrix in weights)
        for column, width in enumerate(wanted.bits):
            method = quantizer("rtn", width, wanted.group_size, wanted.zero_point)
            for name, matrix in weights._asdict().items():
                made = method.quantize(matrix, None, f"{where}.experts.{number} {name}")
                loss[number, column] += float((made.dequantize() - matrix.float()).square().sum()) / (size or 1.0)
    return loss
