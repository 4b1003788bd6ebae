"""A Hugging Face model whose experts can be exchanged between one prompt's prefill and its answer (extra ``quantize``).

Everything is computed in float32 of the weights that the folder stores: "16 bits" are the checkpoint's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.extras import load
from moe_cosim.sim.accuracy.decisions import PromptRouting
from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder, ExpertWeights

if TYPE_CHECKING:
    from torch import Tensor


_GATES: Final = ("silu", "swish")
"""Of experts: the errors of their outputs are computed here."""


class ExpertCall(NamedTuple):
    """What one layer's experts were asked for in one pass."""

    inputs: Tensor
    """[tokens, hidden]."""
    experts: Tensor
    """[tokens, k]."""
    weights: Tensor
    """[tokens, k]."""


@dataclass
class Prefilled:
    """A prompt behind the model, at 16 bits."""

    tokens: int
    cache: Any
    routing: PromptRouting


class Decoder:
    """The model of a folder, its experts as stored until `put` exchanges some."""

    def __init__(self, folder: Path) -> None:
        """Raises `InputError` for a folder that `CheckpointFolder` refuses, and for experts that transformers keeps
        otherwise than fused (its versions before 5)."""
        transformers = load("transformers", "decoding", "quantize")
        self.checkpoint = CheckpointFolder(folder)
        import torch

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self._torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        ).eval()
        gate = getattr(self.model.config, "hidden_act", None)
        if gate not in _GATES:
            raise InputError(folder / "config.json", "hidden_act", gate, " or ".join(_GATES))
        shape = self.checkpoint.model.expert
        fused = (self.checkpoint.model.routed_experts, 2 * shape.intermediate, shape.hidden)
        self._modules = [
            module
            for module in self.model.modules()
            if tuple(getattr(getattr(module, "gate_up_proj", None), "shape", ())) == fused
        ]
        self._placed: dict[tuple[int, int], ExpertWeights] = {}
        if len(self._modules) != len(self.checkpoint.layers):
            found = Plain(f"{len(self._modules)} layers of fused experts")
            raise InputError(folder, "experts", found, f"{len(self.checkpoint.layers)}, as transformers 5 keeps them")

    @property
    def vocabulary(self) -> int:
        """Tokens that the model knows."""
        return int(self.model.config.vocab_size)

    def put(self, layer: int, expert: int, weights: ExpertWeights) -> None:
        """From now on this is the expert (`layer` counts those with experts); nothing is done where it is already."""
        torch, module = self._torch, self._modules[layer]
        if self._placed.get((layer, expert)) is weights:
            return
        self._placed[layer, expert] = weights
        with torch.no_grad():
            torch.cat([weights.gate, weights.up], out=module.gate_up_proj.data[expert])
            module.down_proj.data[expert].copy_(weights.down)

    def prefill(self, tokens: NDArray[np.int64]) -> Prefilled:
        """Of one prompt [tokens], with the experts in place."""
        with self._torch.no_grad(), self.calls() as calls:
            found = self.model(self._torch.from_numpy(tokens)[None], use_cache=True, logits_to_keep=1)
        return Prefilled(len(tokens), found.past_key_values, self.routing(calls))

    def answer(self, after: Prefilled, tokens: NDArray[np.int64]) -> Tensor:
        """Log chances [tokens, vocabulary] of what follows each of `tokens` behind the prompt (teacher forcing); the
        prompt stays as it was."""
        torch = self._torch
        with torch.no_grad():
            found = self.model(torch.from_numpy(tokens)[None], past_key_values=after.cache, use_cache=True)
        after.cache.crop(-len(tokens))
        return torch.log_softmax(found.logits[0].float(), dim=-1)

    @contextmanager
    def calls(self) -> Iterator[list[ExpertCall]]:
        """What experts are asked for in the passes of the block, layer after layer."""
        heard: list[ExpertCall] = []

        def hook(module: Any, arguments: tuple[Any, ...]) -> None:
            hidden, experts, weights = arguments
            heard.append(ExpertCall(hidden.reshape(-1, hidden.shape[-1]).detach(), experts, weights))

        hooks = [module.register_forward_pre_hook(hook) for module in self._modules]
        try:
            yield heard
        finally:
            for one in hooks:
                one.remove()

    def routing(self, calls: list[ExpertCall]) -> PromptRouting:
        """Of the calls of one pass."""
        experts = np.stack([call.experts.numpy() for call in calls], axis=1)
        weights = np.stack([call.weights.float().numpy() for call in calls], axis=1)
        order = np.argsort(-weights, axis=2, kind="stable")
        return PromptRouting(
            np.take_along_axis(experts, order, axis=2).astype(np.uint16),
            np.take_along_axis(weights, order, axis=2).astype(np.float32),
            self.checkpoint.model.routed_experts,
        )
