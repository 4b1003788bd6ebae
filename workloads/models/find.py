"""Models by catalogue name or by the path of a Hugging Face ``config.json``."""

from __future__ import annotations

import os
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, one_of
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.remembered import Stamp, stamp
from moe_cosim.schema import Count, Few, Flag, Size, check
from moe_cosim.workloads.models.hf_config import read_hf_config
from moe_cosim.workloads.models.model import Attention, AttentionKind, Model, RouterScore
from moe_cosim.yaml_file import read_yaml

_DOWNLOAD = (
    "a name of the catalogue, or the path of a config.json; nothing is downloaded here:"
    " run 'hf download {0} config.json --local-dir DIR' and give DIR"
)
CATALOG = Path(__file__).parent / "catalog" / "models.yaml"


def find_model(name_or_path: str | Path, where: object = "experiment", field: str = "model") -> Model:
    """The catalogue's model of that name, or the model of a ``config.json`` (or its folder).

    Anything that ends in ``.json``, contains a ``/`` or names an existing folder is a path;
    relative ones start at the working directory. Raises `InputError` naming `where` and `field`
    for an unknown name, and the file and its field for a bad file.
    """
    text = str(name_or_path)
    path = Path(os.path.expanduser(text))  # Path.expanduser raises for the home of somebody unknown
    if isinstance(name_or_path, Path) or text.endswith(".json") or "/" in text or "\\" in text or os.path.isdir(path):
        if _is_hub_name(text) and not os.path.exists(path):
            raise InputError(where, field, text, _DOWNLOAD.format(text))
        return _read_once(path / "config.json" if os.path.isdir(path) else path)
    models = _catalog()
    if text not in models:
        raise InputError(where, field, text, one_of(models, text) + "; or the path of a Hugging Face config.json")
    return models[text]


def _is_hub_name(text: str) -> bool:
    """``organisation/name``, as on the Hugging Face hub."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text) is not None and not text.endswith(".json")


def model_names() -> dict[str, str]:
    """Every catalogue name with one line about it, by name."""
    return {name: model.title() for name, model in sorted(_catalog().items())}


def _read_once(path: Path) -> Model:
    """As `read_hf_config`, until the file changes."""
    try:
        return _read(path, stamp(path))
    except OSError:
        return read_hf_config(path)  # says what is wrong with it


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: Stamp) -> Model:
    return read_hf_config(path)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Attention(_Entry):
    kind: AttentionKind
    heads: Count
    kv_heads: Count
    head_dim: Count
    q_lora_rank: Size = 0
    kv_lora_rank: Size = 0
    qk_nope_head_dim: Size = 0
    qk_rope_head_dim: Size = 0
    v_head_dim: Size = 0
    sliding_window: Count | None = None
    pattern: Annotated[str, Field(pattern="^[sf]+$")] = "f"
    """Repeated over the layers: ``s`` slides, ``f`` sees the full context."""

    def build(self, layers: int) -> Attention:
        numbers = self.model_dump(exclude={"pattern"})
        sliding = tuple(i for i in range(layers) if self.pattern[i % len(self.pattern)] == "s")
        return Attention(**numbers, sliding_layers=sliding)


class _Experts(_Entry):
    count: Few
    top_k: Count
    intermediate: Count
    matrices: Literal[2, 3] = 3
    shared_intermediate: Size = 0
    first_layer: Size = 0
    every: Count = 1
    """Layer i has experts when i >= first_layer and (i + 1) is a multiple of `every`."""


class _Router(_Entry):
    score: RouterScore
    norm_topk: Flag


class _CatalogModel(_Entry):
    hf_id: str
    hidden: Count
    layers: Few
    encoder_layers: Size = 0
    vocab: Count
    tied_embeddings: Flag = False
    attention: _Attention
    experts: _Experts
    dense_intermediate: Size = 0
    router: _Router
    native_bits: Literal[4, 8, 16] = 16
    source: str

    def build(self, name: str, where: object) -> Model:
        experts = self.experts
        return Model(
            name=name,
            hf_id=self.hf_id,
            hidden=self.hidden,
            layers=self.layers,
            attention=self.attention.build(self.layers),
            vocab=self.vocab,
            tied_embeddings=self.tied_embeddings,
            routed_experts=experts.count,
            top_k=experts.top_k,
            expert=ExpertShape(self.hidden, experts.intermediate, experts.matrices),
            shared_intermediate=experts.shared_intermediate,
            dense_intermediate=self.dense_intermediate,
            moe_layers=tuple(i for i in range(experts.first_layer, self.layers) if (i + 1) % experts.every == 0),
            norm_topk_prob=self.router.norm_topk,
            router_score=self.router.score,
            native_bits=self.native_bits,
            source=self.source,
            encoder_layers=self.encoder_layers,
        ).validate(f"{where}: {name}")


@cache
def _catalog() -> dict[str, Model]:
    entries = read_yaml(CATALOG)
    return {
        name: check(_CatalogModel, entry, CATALOG.name, name).build(name, CATALOG.name)
        for name, entry in entries.items()
    }
