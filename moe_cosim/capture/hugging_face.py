"""Hooks on the routers of a Hugging Face model (transformers 4.46 to 5).

A router is a module called ``gate`` or ``router`` with a row for each expert. What it returns is told by its shape: ids
and weights of the chosen experts (transformers 5), or logits, of which the k largest are chosen (Mixtral, Qwen and
OLMoE of transformers 4). The decoder's hooks say which tokens a pass has, and whether it begins or goes on.

Nothing of torch is imported: a tensor is what can be moved to the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.capture.recorder import RoutingRecorder
from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.routing import Experts, Weights

_NAMES: Final = ("gate", "router")
_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_TOP_K: Final = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "top_k")


@contextmanager
def capture(model: Any) -> Iterator[RoutingRecorder]:
    """Record what the routers of `model` choose in its forward passes (``generate`` makes them) until the block ends.

    The model computes what it computes without. Raises `InputError` for a model without routers, for passes that skip
    a router and for passes that change the batch (beam search).
    """
    config = getattr(model.config, "text_config", None) or model.config
    experts, top_k = _number(config, _EXPERTS, "experts"), _number(config, _TOP_K, "experts per token")
    if getattr(config, "is_encoder_decoder", False):
        raise InputError("capture", "model", Plain(type(model).__name__), "a decoder-only model")
    routers = _routers(model, experts)
    if not routers:
        found = Plain(f"{type(model).__name__} without a module {' or '.join(_NAMES)} of {experts} experts")
        raise InputError("capture", "model", found, "a model with routed experts")
    recorder = RoutingRecorder(experts)
    pass_ = _Pass(recorder, list(routers), top_k, _padding(model))
    decoder = model.get_decoder() if hasattr(model, "get_decoder") and model.get_decoder() is not None else model
    hooks = [
        decoder.register_forward_pre_hook(pass_.begin, with_kwargs=True),
        decoder.register_forward_hook(pass_.end, with_kwargs=True),
        *(module.register_forward_hook(pass_.router(name)) for name, module in routers.items()),
    ]
    try:
        yield recorder
    finally:
        for hook in hooks:
            hook.remove()


def _number(config: Any, names: tuple[str, ...], what: str) -> int:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    raise InputError("capture", "model.config", Plain(f"no number of {what}"), f"one of {', '.join(names)}")


def _routers(model: Any, experts: int) -> dict[str, Any]:
    """In the order of the layers."""
    found = {}
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if name.rpartition(".")[2] in _NAMES and weight is not None and int(weight.shape[0]) == experts:
            found[name] = module
    return found


def _padding(model: Any) -> int | None:
    """What finished sequences of a batch are fed with."""
    for config in (getattr(model, "generation_config", None), model.config):
        for name in ("pad_token_id", "eos_token_id"):
            value = getattr(config, name, None)
            if isinstance(value, int):
                return value
    return None


class _Pass:
    """One forward pass of the decoder at a time."""

    def __init__(self, recorder: RoutingRecorder, names: list[str], top_k: int, padding: int | None) -> None:
        self._recorder, self._names, self._k, self._padding = recorder, names, top_k, padding
        self._chosen: dict[str, tuple[Experts, Weights]] = {}
        self._goes_on = False

    def begin(self, module: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        self._chosen = {}
        cache = next((value for value in keywords.values() if hasattr(value, "get_seq_length")), None)
        self._goes_on = cache is not None and int(cache.get_seq_length()) > 0  # before the pass adds to it

    def router(self, name: str) -> Any:
        def hook(module: Any, arguments: Any, output: Any) -> None:
            self._chosen[name] = chosen_of(output, self._k)

        return hook

    def end(self, module: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        ids = keywords.get("input_ids", arguments[0] if arguments else None)
        given = ids if ids is not None else keywords.get("inputs_embeds")
        if given is None:
            raise InputError("capture", "pass", Plain("neither input_ids nor inputs_embeds"), "one of them")
        sequences, tokens = int(given.shape[0]), int(given.shape[1])
        for name in self._names:
            rows = len(self._chosen[name][0]) if name in self._chosen else 0
            if rows != sequences * tokens:
                allowed = f"one for each of {sequences * tokens} tokens"
                raise InputError("capture", name, Plain(f"{rows} choices in a pass"), allowed)
        shape = (sequences, tokens, self._k)
        experts = np.stack([self._chosen[name][0].reshape(shape) for name in self._names], axis=2)
        weights = np.stack([self._chosen[name][1].reshape(shape) for name in self._names], axis=2)
        real = np.ones((sequences, tokens), np.bool_)
        mask = keywords.get("attention_mask")
        if mask is not None and mask.ndim == 2:
            real &= to_host(mask)[:, -tokens:] != 0
        ended = np.zeros(sequences, np.bool_)
        if self._goes_on and ids is not None and tokens == 1 and sequences > 1:
            ended = to_host(ids)[:, 0] == self._padding
        self._recorder.add_pass(experts, weights, real, self._goes_on, ended)


def chosen_of(output: Any, top_k: int) -> tuple[Experts, Weights]:
    """Ids and weights [tokens, k] of what a router returns: logits, or a tuple with ids in it. Raises `InputError` for
    what is neither.
    """
    parts = [
        to_host(part) for part in (output if isinstance(output, tuple | list) else [output]) if hasattr(part, "shape")
    ]
    flat = [part.reshape(-1, part.shape[-1]) for part in parts if part.ndim >= 2]
    ids = next((part for part in flat if part.dtype.kind in "iu" and part.shape[1] == top_k), None)
    numbers = [part for part in flat if part.dtype.kind == "f"]
    if ids is None:
        if not numbers:
            raise InputError("capture", "router", Plain("neither ids nor logits returned"), "a router of Hugging Face")
        ids = np.argsort(-numbers[0], axis=1, kind="stable")[:, :top_k]
        return ids.astype(np.uint16), _softmax(np.take_along_axis(numbers[0], ids, axis=1))
    gates = next((part for part in reversed(numbers) if part.shape == ids.shape), None)
    if gates is None:
        wide = next((part for part in reversed(numbers) if part.shape[1] > top_k), None)
        if wide is None:
            gates = np.full(ids.shape, 1 / top_k)
        else:  # weights laid out over all experts, the others 0; or logits
            sparse = bool(((wide != 0).sum(axis=1) <= top_k).all())
            gates = np.take_along_axis(wide, ids.astype(np.int64), axis=1)
            gates = gates if sparse else _softmax(gates)
    order = np.argsort(-gates, axis=1, kind="stable")  # the strongest first
    return (
        np.take_along_axis(ids, order, axis=1).astype(np.uint16),
        np.take_along_axis(gates, order, axis=1).astype(np.float32),
    )


def _softmax(logits: NDArray[Any]) -> Weights:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Weights = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def to_host(tensor: Any) -> NDArray[Any]:
    """A tensor as an array of its shape; one of floating point as float32 (NumPy knows no bfloat16)."""
    if isinstance(tensor, np.ndarray):
        return tensor
    tensor = tensor.detach()
    tensor = tensor.float() if tensor.dtype.is_floating_point else tensor
    found: NDArray[Any] = tensor.cpu().numpy()
    return found
