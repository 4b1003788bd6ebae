"""A model as a model file: read back, it is the same model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.models.model_file.fields import ATTENTION_PARTS, ModelFile
from moe_cosim.workloads.models.model_file.spans import spans_of


def model_file_of(model: Model) -> dict[str, Any]:
    """Its fields in the order of the class, without those that have their default."""
    every = tuple(range(model.layers))
    experts = {
        "count": model.routed_experts,
        "top_k": model.top_k,
        "intermediate": model.expert.intermediate,
        "matrices": model.expert.matrices,
        "hidden": model.expert.hidden if model.expert.hidden != model.hidden else None,
        "identity": model.identity_experts,
        "shared_intermediate": model.shared_intermediate,
        "layers": spans_of(model.moe_layers) if model.moe_layers != every else None,
    }
    others = [
        {"layers": spans_of(layers), **_attention(attention, layers)} for attention, layers in model.other_attention
    ]
    stored = asdict(model.checkpoint)
    file = ModelFile.model_validate(
        {
            **{name: getattr(model, name) for name in ModelFile.model_fields if hasattr(model, name)},
            "kind": "model",
            "hf_id": model.hf_id or None,
            "attention": _attention(model.attention, every),
            "other_attention": others,
            "experts": experts,
            "router": {"score": model.router_score, "norm_topk": model.norm_topk_prob},
            "precision": {name: stored[name] for name in stored if name != "note"},
        }
    )
    found = file.model_dump(exclude_defaults=True)
    return {name: found[name] for name in ModelFile.model_fields if found.get(name)}


def _attention(attention: Attention, own: tuple[int, ...]) -> dict[str, Any]:
    """`own`: the layers that it is of."""
    part: type[BaseModel] = ATTENTION_PARTS[attention.kind]
    fields = {name: value for name, value in asdict(attention).items() if name in part.model_fields}
    if attention.kv_heads == attention.heads:
        fields.pop("kv_heads", None)
    if fields.pop("sliding_layers", ()) and attention.sliding_layers != own:
        fields["sliding_layers"] = spans_of(attention.sliding_layers)
    return part.model_validate(fields).model_dump(exclude_defaults=True)
