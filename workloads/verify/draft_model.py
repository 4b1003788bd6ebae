"""Models that draft: dense decoders, read from the fields of their ``config.json``."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict

from moe_cosim.errors import InputError, one_of
from moe_cosim.hub_cache import cached_snapshot, is_hub_name
from moe_cosim.hw_models.formats import FP16
from moe_cosim.schema import Count, check
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.decoder_config import DecoderConfig
from moe_cosim.workloads.models.find import is_model_path
from moe_cosim.workloads.models.hf_config import read_config
from moe_cosim.yaml_file import read_yaml

Products = tuple[tuple[int, int], ...]

_SHIPPED: Final = Path(__file__).parent / "drafts"
_FIELD: Final = "workload.verify.draft.model"


class DraftModel(DecoderConfig):
    """A dense decoder with gated feed-forward blocks, stored in 16 bits; every layer attends to all before a
    token."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())  # model_type is a name of the file

    model_type: Literal["llama", "mistral", "qwen2", "qwen3"]
    intermediate_size: Count

    @cached_property
    def attention(self) -> Attention:
        """Grouped-query attention of every layer."""
        return Attention("gqa", self.num_attention_heads, self.kv_heads, self.head_width)

    @property
    def attention_products(self) -> Products:
        """(inner, columns) of a layer's matrix products around its scores."""
        return self.attention.projections(self.hidden_size)

    @property
    def feed_forward_products(self) -> Products:
        """(inputs, outputs) of a layer's products behind attention: gate and up as one, then down."""
        return (self.hidden_size, 2 * self.intermediate_size), (self.intermediate_size, self.hidden_size)

    @property
    def head_products(self) -> Products:
        """(inputs, outputs) of the head."""
        return ((self.hidden_size, self.vocab_size),)

    @property
    def attention_bytes(self) -> int:
        """Weights of a layer."""
        return _bytes(self.attention_products)

    @property
    def feed_forward_bytes(self) -> int:
        """Weights of a layer."""
        return _bytes(self.feed_forward_products)

    @property
    def head_bytes(self) -> int:
        """Size of the head at 16 bits."""
        return _bytes(self.head_products)

    @property
    def weight_bytes(self) -> int:
        """Of all, with the embedding."""
        tables = 1 if self.tie_word_embeddings else 2
        layer = self.attention_bytes + self.feed_forward_bytes
        return self.num_hidden_layers * layer + tables * self.head_bytes

    @property
    def kv_bytes_per_token(self) -> int:
        """In a layer."""
        return FP16.bytes_of(self.attention.kv_values_per_token)


def find_draft(name_or_path: str, where: object) -> DraftModel:
    """One that ships, that of a ``config.json`` or its folder, or of the hub's local cache. Raises `InputError` for
    what is not there, and for what is no dense decoder."""
    if not is_model_path(name_or_path):
        path = _SHIPPED / f"{name_or_path}.yaml"
        if name_or_path not in draft_names():
            allowed = one_of(draft_names(), name_or_path) + "; or the path of a dense decoder's config.json"
            raise InputError(where, _FIELD, name_or_path, allowed)
        return _checked(read_yaml(path), path)
    path = Path(os.path.expanduser(name_or_path))
    if is_hub_name(name_or_path) and not path.exists():
        path = cached_snapshot(name_or_path) or path
    path = path / "config.json" if path.is_dir() else path
    return _checked(read_config(path), path)


def draft_names() -> list[str]:
    """Of those that ship."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def _checked(fields: dict[str, object], path: Path) -> DraftModel:
    model = check(DraftModel, fields, path)
    model.check_heads(path)
    model.attention.validate(path)
    return model


def _bytes(products: Products) -> int:
    return FP16.bytes_of(sum(inner * columns for inner, columns in products))
