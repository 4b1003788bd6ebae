"""From the header of a ``.gguf`` file to a model: sizes by its tensors, the rest by its keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.escape import printable
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.workloads.gguf_header import Header, Tensor, read_header
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.gguf.architectures import ARCHITECTURES, GATING
from moe_cosim.workloads.models.gguf.stored import stored_as
from moe_cosim.workloads.models.model import Model, RouterScore

_SHARD: Final = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_MOST_LAYERS: Final = 2**15 - 1


def read_gguf_model(path: Path) -> Model:
    """The model whose weights a file (or the first of several that it is split into) holds; only headers are read.

    Raises `InputError` naming the file and the key or tensor.
    """
    header = read_header(path)
    others = [read_header(shard) for shard in _other_shards(path, header)]
    tensors = [tensor for one in (header, *others) for tensor in one.tensors]
    return _Reading(path, header, {tensor.name: tensor for tensor in tensors}).model()


def _other_shards(path: Path, header: Header) -> list[Path]:
    count, number = header.keys.get("split.count", 1), header.keys.get("split.no", 0)
    if not isinstance(count, int) or count <= 1:
        return []
    name = _SHARD.fullmatch(path.name)
    if name is None or int(name[3]) != count:
        raise InputError(path, "split.count", count, f"a file called NAME-00001-of-{count:05}.gguf")
    if number != 0:
        raise InputError(path, "split.no", number, f"0: give the first file, {name[1]}-00001-of-{name[3]}.gguf")
    shards = [path.with_name(f"{name[1]}-{shard:05}-of-{name[3]}.gguf") for shard in range(2, count + 1)]
    for shard in shards:
        if not shard.is_file():
            raise InputError(path, "split.count", count, f"all files of the model beside it; {shard.name} is not there")
    return shards


class _Reading:
    def __init__(self, path: Path, header: Header, tensors: dict[str, Tensor]) -> None:
        self._path, self._keys, self._tensors = path, header.keys, tensors
        found = header.keys.get("general.architecture")
        if not isinstance(found, str) or found not in ARCHITECTURES:
            raise self._error("general.architecture", Plain("nothing") if found is None else found, ARCHITECTURES)
        self._name = found

    def model(self) -> Model:
        layers = self._number("block_count") - self._number("nextn_predict_layers", 0)
        if not 1 <= layers <= _MOST_LAYERS:
            raise self._error(f"{self._name}.block_count", layers, f"from 1 to {_MOST_LAYERS} layers")
        hidden, vocab = self._shape("token_embd.weight", 2)
        sparse = [layer for layer in range(layers) if self._has(layer, "ffn_gate_inp")]
        if not sparse:
            raise self._error("tensors", Plain("no blk.N.ffn_gate_inp.weight"), "a model with routed experts")
        first = sparse[0]
        dense = [layer for layer in range(layers) if layer not in frozenset(sparse)]
        experts, intermediate, matrices = self._experts(first)
        shared = self._shape(f"blk.{first}.ffn_up_shexp.weight", 2)[1] if self._has(first, "ffn_up_shexp") else 0
        return Model(
            name=self._called(),
            hf_id="",
            hidden=hidden,
            layers=layers,
            attention=self._attention(hidden, layers),
            vocab=vocab,
            context_length=self._number("context_length", 0) or None,
            tied_embeddings="output.weight" not in self._tensors,
            routed_experts=experts,
            top_k=self._number("expert_used_count"),
            expert=ExpertShape(hidden, intermediate, matrices),
            shared_intermediate=shared,
            dense_intermediate=self._shape(f"blk.{dense[0]}.ffn_up.weight", 2)[1] if dense else 0,
            moe_layers=tuple(sparse),
            norm_topk_prob=self._norm(),
            router_score=self._score(first),
            checkpoint=stored_as(self._tensors.values(), self._path),
            source=str(self._path),
        ).validate(self._path)

    def _experts(self, layer: int) -> tuple[int, int, int]:
        """How many, how wide, of how many matrices."""
        if self._has(layer, "ffn_gate_up_exps"):
            _, both, experts = self._shape(f"blk.{layer}.ffn_gate_up_exps.weight", 3)
            return experts, both // 2, 3
        _, intermediate, experts = self._shape(f"blk.{layer}.ffn_up_exps.weight", 3)
        return experts, intermediate, 3 if self._has(layer, "ffn_gate_exps") else 2

    def _attention(self, hidden: int, layers: int) -> Attention:
        heads = self._number("attention.head_count")
        latent = self._number("attention.kv_lora_rank", 0)
        if latent:
            rope = self._number("rope.dimension_count")
            key = self._number("attention.key_length_mla", 0) or self._number("attention.key_length")
            value = self._number("attention.value_length_mla", 0) or self._number("attention.value_length")
            if key <= rope:
                raise self._error(f"{self._name}.attention.key_length", key, f"more than the {rope} rotary dimensions")
            return Attention(
                kind="mla",
                heads=heads,
                kv_heads=heads,
                head_dim=key,
                q_lora_rank=self._number("attention.q_lora_rank", 0),
                kv_lora_rank=latent,
                qk_nope_head_dim=key - rope,
                qk_rope_head_dim=rope,
                v_head_dim=value,
            )
        head_dim = self._number("attention.key_length", 0) or hidden // heads
        if head_dim == 0:
            raise self._error(f"{self._name}.attention.key_length", Plain("nothing"), f"a size, for {heads} heads")
        value = self._number("attention.value_length", 0)
        period = ARCHITECTURES[self._name].sliding_period
        window = self._number("attention.sliding_window", 0) or ARCHITECTURES[self._name].window
        slides = period > 1 and window is not None
        return Attention(
            kind="gqa",
            heads=heads,
            kv_heads=self._number("attention.head_count_kv", heads),
            head_dim=head_dim,
            v_head_dim=value if value != head_dim else 0,
            sliding_window=window if slides else None,
            sliding_layers=tuple(layer for layer in range(layers) if (layer + 1) % period) if slides else (),
        )

    def _score(self, layer: int) -> RouterScore:
        if f"blk.{layer}.exp_probs_b.bias" in self._tensors:
            return "sigmoid-bias"
        return GATING.get(self._number("expert_gating_func", 0), ARCHITECTURES[self._name].score)

    def _norm(self) -> bool:
        found = self._keys.get(f"{self._name}.expert_weights_norm")
        return found if isinstance(found, bool) else ARCHITECTURES[self._name].norm_topk

    def _called(self) -> str:
        """By the file: the name inside is often that of another, and may be anything."""
        shard = _SHARD.fullmatch(self._path.name)
        return printable(shard[1] if shard else self._path.stem)

    def _has(self, layer: int, tensor: str) -> bool:
        return f"blk.{layer}.{tensor}.weight" in self._tensors

    def _shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise self._error(name, Plain("nothing"), f"a tensor of {dimensions} dimensions")
        if len(tensor.shape) != dimensions or not all(0 < size < 2**31 for size in tensor.shape):
            raise self._error(name, Plain(f"shape {list(tensor.shape)}"), f"{dimensions} dimensions below 2^31")
        return tensor.shape

    def _number(self, key: str, default: int | None = None) -> int:
        """Of a list by layer, the number that all have."""
        name = f"{self._name}.{key}"
        found: Any = self._keys.get(name, default)
        if isinstance(found, list) and found and all(each == found[0] for each in found):
            found = found[0]
        least = 0 if default == 0 else 1
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found < 2**31:
            shown = Plain("nothing") if found is None else found
            raise self._error(name, shown, f"a whole number from {least}, the same for all layers")
        return found

    def _error(self, field: str, found: object, allowed: Any) -> InputError:
        return InputError(self._path, field, found, allowed)
