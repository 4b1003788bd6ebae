"""Router logits, as Hugging Face models return them with ``output_router_logits=True``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import LONE, Arrays, take
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

_NAME = "router_logits"
_BIASED = ("sigmoid-bias",)


@trace_formats.register("router-logits")
class RouterLogits(TraceFormat):
    summary = "float [layers, tokens, experts], or one [tokens, experts] a layer; optional `offsets`"
    written_by = "Hugging Face transformers (`output_router_logits=True`): the tuple, saved layer by layer or stacked"
    known_by = "array `router_logits`; a lone float array; float arrays of one shape, called by their layer's number"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        if _NAME in content.arrays:
            return True
        lone = content.arrays.get(LONE)
        if lone is not None:
            return lone.dtype.kind == "f" and lone.ndim == 3
        return content.container != "gguf" and _layers(content.arrays) is not None

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        """The k largest are the chosen experts, best first; their scores, scaled to sum to 1, are the weights."""
        path, arrays = content.path, dict(content.arrays)
        if LONE in arrays:
            arrays[_NAME] = arrays[LONE]
        elif _NAME not in arrays and (stacked := _layers(arrays)) is not None:
            arrays[_NAME] = stacked
        logits = take(arrays, _NAME, 3, "f", path)
        model = needed(router, content, "logits")
        if not 1 <= model.top_k <= logits.shape[2]:
            raise InputError(path, "top_k", model.top_k, f"the model's experts per token, 1 to {logits.shape[2]}")
        if model.score in _BIASED:
            found = Plain("logits of a model that adds a bias before it chooses, which they do not hold")
            raise InputError(path, _NAME, found, "the chosen ids of this model (routed-experts, json-lines)")
        if logits.size == 0 or not bool(np.isfinite(logits).all()):
            raise InputError(path, _NAME, Plain("no values, or NaN or infinity"), "finite logits")
        offsets = take(arrays, "offsets", 1, "iu", path) if "offsets" in arrays else np.array([0, logits.shape[1]])
        experts = np.empty((logits.shape[1], logits.shape[0], model.top_k), np.uint16)
        weights = np.empty(experts.shape, np.float32)
        for layer, scores in enumerate(logits):
            experts[:, layer], weights[:, layer] = _choose(scores.astype(np.float64), model)
        return TokenTrace(experts, weights, offsets.astype(np.int64), int(logits.shape[2]), where=str(path))


def _choose(scores: NDArray[np.float64], model: ModelRouter) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """[tokens, k] of one layer's [tokens, experts].

    A softmax over all experts and one over the chosen weigh alike once the chosen ones' sum is 1.
    """
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, : model.top_k]
    best = np.take_along_axis(scores, chosen, axis=1)
    raised = 1 / (1 + np.exp(-best)) if model.score.startswith("sigmoid") else np.exp(best - best[:, :1])
    return chosen.astype(np.uint16), (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def _layers(arrays: Arrays) -> NDArray[Any] | None:
    """[layers, tokens, experts] of arrays [tokens, experts] (or [1, tokens, experts]) in the order of the numbers in
    their names; None if they are something else."""
    numbered = {name: re.findall(r"\d+", name) for name in arrays}
    if not arrays or not all(len(found) == 1 for found in numbered.values()):
        return None
    ordered = [arrays[name] for name in sorted(arrays, key=lambda name: int(numbered[name][0]))]
    ordered = [array[0] if array.ndim == 3 and len(array) == 1 else array for array in ordered]
    alike = all(array.ndim == 2 and array.dtype.kind == "f" and array.shape == ordered[0].shape for array in ordered)
    return np.stack(ordered) if alike else None
