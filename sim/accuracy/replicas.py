"""Experts of a model at several widths, and what their errors come to on calibration text (extra ``quantize``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.accuracy.decisions import FULL
from moe_cosim.sim.accuracy.decoder import Decoder, ExpertCall
from moe_cosim.workloads.quantization.checkpoints import ExpertWeights
from moe_cosim.workloads.quantization.losses import BITS, LossTable
from moe_cosim.workloads.quantization.quantizers import quantizer

if TYPE_CHECKING:
    from torch import Tensor

_PASS_TOKENS: Final = 4096


class Replicas:
    """Every expert at every width that was asked for, as dequantized: (1 + widths) times the memory of the experts."""

    def __init__(
        self, decoder: Decoder, method: str, group_size: int, inputs: list[list[Tensor]], where: object = "quantizer"
    ) -> None:
        """`inputs` are those of `expert_inputs`. Raises"""
        self.decoder, self.method = decoder, method
        self._quantizers = {bits: quantizer(method, bits, group_size, where=where) for bits in BITS}
        self._inputs = inputs
        self._kept: dict[tuple[int, int, int], ExpertWeights] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, experts."""
        return len(self.decoder.checkpoint.layers), self.decoder.checkpoint.model.routed_experts

    def put(self, bits: NDArray[np.int64]) -> None:
        """Experts [layers, experts] at these widths from now on."""
        for layer, expert in np.ndindex(bits.shape):
            self.decoder.put(layer, expert, self.of(layer, expert, int(bits[layer, expert])))

    def of(self, layer: int, expert: int, bits: int) -> ExpertWeights:
        """One expert at one width, float32."""
        key = layer, expert, bits
        if key not in self._kept:
            stored = self.decoder.checkpoint.expert(self.decoder.checkpoint.layers[layer], expert)
            whole = ExpertWeights(*(matrix.float() for matrix in stored))
            self._kept[key] = whole if bits == FULL else self._quantized(layer, expert, bits, whole)
        return self._kept[key]

    def _quantized(self, layer: int, expert: int, bits: int, whole: ExpertWeights) -> ExpertWeights:
        method = self._quantizers[bits]
        inputs = self._inputs[layer][expert]
        first = second = None
        if method.needs_hessian:
            middle = _between(inputs, whole)
            first, second = (_hessian(rows) for rows in (inputs, middle))
        where = f"layer {layer}, expert {expert}"
        return ExpertWeights(
            method.quantize(whole.gate, first, f"{where} gate").dequantize(),
            method.quantize(whole.up, first, f"{where} up").dequantize(),
            method.quantize(whole.down, second, f"{where} down").dequantize(),
        )

    def losses(self) -> LossTable:
        """Mean squared error of each expert's output over the calibration tokens that the router sent to it
        (arXiv 2512.04476, step 1). Never rising: a width takes over the next lower one's where that is smaller."""
        table = np.zeros((*self.shape, len(BITS)))
        for layer, expert in np.ndindex(self.shape):
            inputs = self._inputs[layer][expert]
            if len(inputs) == 0:  # never chosen: nothing is lost
                continue
            wanted = _output(inputs, self.of(layer, expert, FULL))
            for column, bits in enumerate(BITS):
                off = _output(inputs, self.of(layer, expert, bits)) - wanted
                table[layer, expert, column] = float(off.square().mean())
        return LossTable(BITS, np.minimum.accumulate(table, axis=2)).validate("measured losses")


def expert_inputs(decoder: Decoder, calibration: NDArray[np.int64]) -> list[list[Tensor]]:
    """[layers][experts] what each is given, [tokens, hidden], when `calibration` [windows, tokens] goes through the
    model. To be asked before anything is exchanged."""
    import torch

    calls: list[list[ExpertCall]] = []
    rows = max(1, _PASS_TOKENS // calibration.shape[1])
    for start in range(0, len(calibration), rows):
        with torch.no_grad(), decoder.calls() as heard:
            decoder.model(torch.from_numpy(calibration[start : start + rows]), use_cache=False, logits_to_keep=1)
        calls.append(list(heard))
    experts = range(decoder.checkpoint.model.routed_experts)
    return [[_of_expert(layer, expert) for expert in experts] for layer in zip(*calls, strict=True)]


def _of_expert(calls: Sequence[ExpertCall], expert: int) -> Tensor:
    import torch

    return torch.cat([call.inputs[(call.experts == expert).any(dim=-1)] for call in calls])


def _hessian(inputs: Tensor) -> Tensor:
    """Of inputs [tokens, in]; without tokens all directions weigh the same."""
    import torch

    return inputs.T @ inputs if len(inputs) else torch.eye(inputs.shape[1])


def _between(inputs: Tensor, weights: ExpertWeights) -> Tensor:
    """What reaches the last matrix of an expert with SiLU gates."""
    from torch.nn.functional import silu

    gated: Any = silu(inputs @ weights.gate.T) * (inputs @ weights.up.T)
    return gated


def _output(inputs: Tensor, weights: ExpertWeights) -> Tensor:
    return _between(inputs, weights) @ weights.down.T
