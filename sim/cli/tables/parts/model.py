"""A model: how large it is, and the shape of every part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.models.parts import parts


def model_document(name: str) -> dict[str, Any]:
    """Of a model of the catalogue, or of a Hugging Face ``config.json`` (or its folder). Raises `InputError`."""
    model = find_model(name, "show", "model")
    facts = {
        "kind": "model",
        "name": model.name,
        "hf_id": model.hf_id,
        "source": model.source,
        "total_params": model.total_params,
        "active_params": model.active_params,
        "layers": model.layers,
        "moe_layers": len(model.moe_layers),
        "encoder_layers": model.encoder_layers,
        "hidden": model.hidden,
        "vocab": model.vocab,
        "tied_embeddings": model.tied_embeddings,
        "routed_experts": model.routed_experts,
        "top_k": model.top_k,
        "expert_params": model.expert.weights,
        "router_score": model.router_score,
        "norm_topk_prob": model.norm_topk_prob,
        "identity_experts": model.identity_experts,
        "context_length": model.context_length,
        "checkpoint": {name: value for name, value in asdict(model.checkpoint).items() if value},
        "attention": _attention(model.attention),
        "kv_bytes_per_token": model.kv_bytes_per_token,
    }
    shapes = [{**asdict(part), "params": part.params, "active_params": part.active_params} for part in parts(model)]
    return {**facts, "parts": shapes}


def _attention(attention: Attention) -> dict[str, Any]:
    """What is there. Of fields that only linear attention has, some are no zeros elsewhere."""
    own = {name: value for name, value in asdict(attention).items() if value or name == "kind"}
    return own if attention.kind == "linear" else {name: own[name] for name in own if name != "numbers_per_head"}


def model_report(document: Mapping[str, Any]) -> Report:
    """Headline, facts, parts."""
    size = f"{document['total_params']:,} parameters, {document['active_params']:,} of them active"
    notes = [Note(size, f"model {document['name']}"), Note(document["source"], dim=True)]
    return [*notes, _facts(document), _parts(document)]


def _facts(document: Mapping[str, Any]) -> Table:
    left_out = ("kind", "name", "source", "attention", "checkpoint", "parts")
    facts = {name: value for name, value in document.items() if name not in left_out}
    facts |= {f"attention.{name}": value for name, value in document["attention"].items()}
    facts |= {f"checkpoint.{name}": value for name, value in document["checkpoint"].items()}
    rows = [(name, _written(value)) for name, value in facts.items()]
    return Table("facts", "facts", (Column("field", role="key"), Column("value", role="prose")), rows, headings=False)


def _written(value: Any) -> str:
    """A long run of layers is said by its ends."""
    if isinstance(value, tuple | list):
        return f"{len(value)} layers, {value[0]} to {value[-1]}" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _parts(document: Mapping[str, Any]) -> Table:
    columns = (
        Column("block", role="key"),
        Column("name", "matrix", role="key"),
        Column("rows", "in"),
        Column("columns", "out"),
        Column("layers"),
        Column("per_layer", "per layer"),
        Column("active_per_layer", "active", priority=1),
        Column("params", "parameters"),
        Column("active_params", "active parameters"),
    )
    rows = [tuple(part[column.name] for column in columns) for part in document["parts"]]
    return Table("parts", "parts", columns, rows)
