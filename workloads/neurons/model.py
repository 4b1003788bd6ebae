"""Dense models whose activations are sparse: shapes and counts, no weights.

A *neuron* is a row or column of a weight matrix that a zero activation leaves out (Hermes, arXiv 2502.16963, II-A). A
layer has two blocks of them: an entry of the input of the projections to queries, keys and values, in front of which a
ReLU is put, and an entry between the matrices of the feed-forward block.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import FP16
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.schema import Count, Few, Flag, Line, check
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.model import Model
from moe_cosim.yaml_file import read_yaml

_CATALOG: Final = Path(__file__).parent / "catalog"
BLOCKS: Final = ("qkv", "mlp")


class NeuronBlock(NamedTuple):
    """The neurons of one block of a layer."""

    name: str
    neurons: int
    products: tuple[int, ...]
    """Weights of one neuron in each of the block's matrices."""

    @property
    def bytes_per_neuron(self) -> int:
        """At 16 bits."""
        return FP16.bytes_of(sum(self.products))


class NeuronModel(BaseModel):
    """A dense decoder with ReLU; every layer attends to all before a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    hf_id: Line
    hidden: Count
    layers: Few
    heads: Count
    kv_heads: Count
    intermediate: Count
    matrices: Count
    """Of the feed-forward block: 2, or 3 with a gate."""
    vocab: Count
    tied_embeddings: Flag
    density: float
    """Share of the neurons that a token activates, where an experiment does not say it."""
    density_source: Line
    source: Line

    @cached_property
    def attention(self) -> Attention:
        """Grouped-query attention of every layer."""
        return Attention("gqa", self.heads, self.kv_heads, self.hidden // self.heads)

    @cached_property
    def blocks(self) -> tuple[NeuronBlock, NeuronBlock]:
        """In the order of `BLOCKS`."""
        into = (self.heads + 2 * self.kv_heads) * self.attention.head_dim
        feed_forward = (self.hidden,) * self.matrices
        return NeuronBlock("qkv", self.hidden, (into,)), NeuronBlock("mlp", self.intermediate, feed_forward)

    @property
    def projection_bytes(self) -> int:
        """Of the matrix behind attention in a layer, which has no sparse input."""
        return FP16.bytes_of(self.hidden * self.heads * self.attention.head_dim)

    @property
    def table_bytes(self) -> int:
        """Of the embedding, and of the head."""
        return FP16.bytes_of(self.vocab * self.hidden)

    @property
    def layer_bytes(self) -> int:
        """Size of a layer's weights: neurons of both blocks, and the projection between them."""
        return self.projection_bytes + sum(block.neurons * block.bytes_per_neuron for block in self.blocks)

    @property
    def kv_bytes_per_token(self) -> int:
        """In a layer."""
        return FP16.bytes_of(self.attention.kv_values_per_token)

    @cached_property
    def plain(self) -> Model:
        """The same as a model without experts, for what asks no more than attention and names."""
        return Model(
            name=self.name,
            hf_id=self.hf_id,
            hidden=self.hidden,
            layers=self.layers,
            attention=self.attention,
            vocab=self.vocab,
            tied_embeddings=self.tied_embeddings,
            routed_experts=1,
            top_k=1,
            expert=ExpertShape(self.hidden, self.intermediate, self.matrices),
            shared_intermediate=0,
            dense_intermediate=self.intermediate,
            moe_layers=(),
            norm_topk_prob=False,
            router_score="softmax",
            source=self.source,
        )


def neuron_model_names() -> list[str]:
    """Those that ship."""
    return sorted(path.stem for path in _CATALOG.glob("*.yaml"))


def find_neuron_model(name: str, where: object) -> NeuronModel:
    """A model that ships, or the one described in the YAML file `name`. Raises `InputError`."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else _CATALOG / f"{name}.yaml"
    if path.parent == _CATALOG and name not in neuron_model_names():
        raise InputError(where, "model", name, neuron_model_names())
    model = check(NeuronModel, read_yaml(path), path)
    for field, value, holds, allowed in (
        ("heads", model.heads, model.hidden % model.heads == 0, f"a divisor of hidden {model.hidden}"),
        ("kv_heads", model.kv_heads, model.heads % model.kv_heads == 0, f"a divisor of {model.heads} heads"),
        ("matrices", model.matrices, model.matrices in (2, 3), "2 or 3"),
        ("density", model.density, 0 < model.density < 1, "between 0 and 1"),
    ):
        if not holds:
            raise InputError(path, field, value, allowed)
    return model
