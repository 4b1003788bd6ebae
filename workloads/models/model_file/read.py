"""From a model file to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import find_format
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.schema import check
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.checkpoint import Checkpoint
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.models.model_file.fields import ATTENTION_PARTS, GqaPart, MlaPart, ModelFile
from moe_cosim.workloads.models.model_file.spans import layers_in
from moe_cosim.yaml_file import read_yaml


def read_model_file(path: Path) -> Model:
    """The model that a file describes; raises `InputError` naming the file and the field."""
    return _Reading(path, check(ModelFile, read_yaml(path), path)).model()


class _Reading:
    def __init__(self, path: Path, file: ModelFile) -> None:
        self._path, self._file = path, file

    def model(self) -> Model:
        file, experts = self._file, self._file.experts
        every = tuple(range(file.layers))
        moe_layers = every if experts.layers is None else self._layers(experts.layers, "experts.layers")
        if file.encoder_layers >= file.layers:
            raise self._error("encoder_layers", file.encoder_layers, f"fewer than the {file.layers} layers")
        return Model(
            name=file.name or self._path.stem,
            hf_id=file.hf_id or "",
            hidden=file.hidden,
            layers=file.layers,
            encoder_layers=file.encoder_layers,
            attention=self._attention(file.attention, every, "attention"),
            other_attention=self._other_attention(),
            vocab=file.vocab,
            context_length=file.context_length,
            tied_embeddings=file.tied_embeddings,
            routed_experts=experts.count,
            identity_experts=experts.identity,
            top_k=experts.top_k,
            expert=ExpertShape(experts.hidden or file.hidden, experts.intermediate, experts.matrices),
            shared_intermediate=experts.shared_intermediate,
            dense_intermediate=file.dense_intermediate,
            moe_layers=moe_layers,
            norm_topk_prob=file.router.norm_topk,
            router_score=file.router.score,
            checkpoint=self._checkpoint(),
            source=file.source or str(self._path),
        ).validate(self._path)

    def _attention(self, entry: Mapping[str, Any], own: tuple[int, ...], field: str) -> Attention:
        """`own`: the layers that it is of."""
        kind = entry.get("kind", Plain("nothing"))
        if not isinstance(kind, str) or kind not in ATTENTION_PARTS:
            raise self._error(f"{field}.kind", kind, ATTENTION_PARTS)
        part = check(ATTENTION_PARTS[kind], entry, self._path, field)
        numbers = part.model_dump(exclude={"kv_heads", "sliding_layers"})
        numbers["kv_heads"] = part.heads
        if isinstance(part, MlaPart):
            numbers["head_dim"] = part.qk_nope_head_dim + part.qk_rope_head_dim
        if isinstance(part, GqaPart):
            numbers |= {"kv_heads": part.kv_heads or part.heads, "sliding_layers": self._sliding(part, own, field)}
        attention = Attention(**numbers)
        attention.validate(self._path, field)
        return attention

    def _sliding(self, part: GqaPart, own: tuple[int, ...], field: str) -> tuple[int, ...]:
        if part.sliding_window is None:
            if part.sliding_layers is not None:
                raise self._error(f"{field}.sliding_window", Plain("nothing"), "a window, as there are sliding_layers")
            return ()
        if part.sliding_layers is None:
            return own
        return self._layers(part.sliding_layers, f"{field}.sliding_layers")

    def _other_attention(self) -> OtherAttention:
        found: list[tuple[Attention, tuple[int, ...]]] = []
        taken: set[int] = set()
        for number, entry in enumerate(self._file.other_attention):
            field = f"other_attention[{number}]"
            layers = entry.get("layers")
            if isinstance(layers, bool) or not isinstance(layers, str | int):
                shown = Plain("nothing") if layers is None else layers
                raise self._error(f"{field}.layers", shown, "the layers that attend so")
            own = self._layers(layers, f"{field}.layers")
            if taken.intersection(own):
                raise self._error(f"{field}.layers", layers, "layers that no entry before has")
            taken.update(own)
            rest = {name: value for name, value in entry.items() if name != "layers"}
            found.append((self._attention(rest, own, field), own))
        return tuple(found)

    def _checkpoint(self) -> Checkpoint:
        stored = self._file.precision.model_dump()
        for part, name in stored.items():
            if name is not None:
                find_format(name, self._path, f"precision.{part}")
        return Checkpoint(**{each.name: stored[each.name] for each in fields(Checkpoint) if each.name in stored})

    def _layers(self, text: str | int, field: str) -> tuple[int, ...]:
        return layers_in(text, self._file.layers, self._path, field)

    def _error(self, field: str, found: object, allowed: Any) -> InputError:
        return InputError(self._path, field, found, allowed)
