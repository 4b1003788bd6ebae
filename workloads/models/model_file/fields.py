"""The fields of a model file; docs/models.md prints its tables from these classes."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

from moe_cosim.errors import one_of
from moe_cosim.options import option
from moe_cosim.schema import Count, Few, Flag, Line, Size
from moe_cosim.workloads.models.model import RouterScore
from moe_cosim.workloads.models.model_file.spans import ALLOWED

_FORMAT: Final = "a number format (`moe-cosim list formats`), or null"

_INDEX_HEADS: Final = "heads of an index that selects keys; 0: none here"
_INDEX_TOPK: Final = "keys that are attended to, selected by this layer's index or an earlier one's; 0: all"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExpertsPart(_Part):
    """The field ``experts``."""

    count: Few = option(..., "routed experts of a layer that have weights")
    top_k: Count = option(..., "experts of a token")
    intermediate: Count = option(..., "width of one expert")
    matrices: Literal[2, 3] = option(3, "weight matrices of an expert and of every other feed-forward block; 3: gated")
    hidden: Count | None = option(None, "width that the experts take in and give out; null: the model's")
    identity: Size = option(0, "further experts that give a token back as it is: routed to, without weights")
    shared_intermediate: Size = option(0, "width of all shared experts of a layer; 0: none")
    layers: str | int | None = option(None, "layers with experts; null: all", allowed=ALLOWED)


class RouterPart(_Part):
    """The field ``router``."""

    score: RouterScore = option(..., "how logits become weights", allowed=one_of(get_args(RouterScore)))
    norm_topk: Flag = option(..., "whether the weights of the chosen experts are scaled to sum to 1")


class PrecisionPart(_Part):
    """How the checkpoint stores its parts; what is left out has 16 bits."""

    experts: Line | None = option(None, "routed experts", allowed=_FORMAT)
    attention: Line | None = option(None, "projections around attention", allowed=_FORMAT)
    shared: Line | None = option(None, "shared experts and dense feed-forward blocks", allowed=_FORMAT)
    head: Line | None = option(None, "the head; where it is tied, the embedding too", allowed=_FORMAT)
    embedding: Line | None = option(None, "the embedding", allowed=_FORMAT)
    kv: Line | None = option(None, "keys and values", allowed=_FORMAT)


class GqaPart(_Part):
    """Attention of kind ``gqa``."""

    kind: Literal["gqa"] = option(..., "grouped-query attention; multi-head with as many `kv_heads` as `heads`")
    heads: Count = option(..., "heads of queries")
    kv_heads: Count | None = option(None, "heads of keys and values; null: as many as of queries")
    head_dim: Count = option(..., "width of a head")
    v_head_dim: Size = option(0, "width of a head's values; 0: as its keys")
    gated: Flag = option(False, "whether one more projection, as wide as the queries, gates the attended values")
    sliding_window: Count | None = option(None, "tokens that a sliding layer looks back on; null: no layer slides")
    sliding_layers: str | int | None = option(None, "layers that slide; null: all of these", allowed=ALLOWED)
    index_heads: Size = option(0, _INDEX_HEADS)
    index_dim: Size = option(0, "width of an index key")
    index_topk: Size = option(
        0, "keys that are attended to, selected by this layer's index or an earlier one's; 0: all"
    )


class MlaPart(_Part):
    """Attention of kind ``mla``."""

    kind: Literal["mla"] = option(..., "multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1)")
    heads: Count = option(..., "heads")
    q_lora_rank: Size = option(0, "width of compressed queries; 0: they are not compressed")
    kv_lora_rank: Count = option(..., "width of the latent that the cache holds")
    qk_nope_head_dim: Count = option(..., "width of a head's queries and keys without position")
    qk_rope_head_dim: Count = option(..., "width of the rotary key that the cache holds")
    v_head_dim: Count = option(..., "width of a head's values")
    gated: Flag = option(False, "whether one more projection gates the attended values")
    index_heads: Size = option(0, _INDEX_HEADS)
    index_dim: Size = option(0, "width of an index key")
    index_topk: Size = option(
        0, "keys that are attended to, selected by this layer's index or an earlier one's; 0: all"
    )


class LinearPart(_Part):
    """Attention of kind ``linear``."""

    kind: Literal["linear"] = option(..., "linear attention or Mamba-2: a state of fixed size per sequence")
    heads: Count = option(..., "heads of values")
    key_heads: Count = option(..., "heads of queries and keys (Mamba-2: groups)")
    head_dim: Count = option(..., "width of a key (Mamba-2: of the state)")
    v_head_dim: Count = option(..., "width of a head's values")
    conv_kernel: Size = option(0, "tokens that the causal convolution before it looks back on, itself included")
    numbers_per_head: Size = option(2, "gates of a head: 2 of a delta rule, 1 of Mamba-2, 0 of lightning attention")
    decay_rank: Size = option(0, "rank of a decay of its own for every channel of the keys; 0: there is none")
    gate_rank: Size = option(0, "rank of what gates the attended values; 0: full")
    time_rank: Size = option(0, "rank of the steps of Mamba-1, whose channels are heads of one value; 0: it is none")


ATTENTION_PARTS: Final[dict[str, type[GqaPart | MlaPart | LinearPart]]] = {
    "gqa": GqaPart,
    "mla": MlaPart,
    "linear": LinearPart,
}


class ModelFile(_Part):
    """The whole file."""

    says: ClassVar[str] = "one of the tables below"

    kind: Literal["model"] = option(..., "what this file describes")
    name: Line | None = option(None, "what reports call it; null: as the file is called")
    hf_id: Line | None = option(None, "its repository on the Hugging Face hub")
    source: str = option("", "who says so")
    hidden: Count = option(..., "width of the hidden state")
    layers: Few = option(..., "layers; of an encoder-decoder both halves together")
    encoder_layers: Size = option(0, "the first so many are an encoder; all behind them also attend to what it gives")
    vocab: Count = option(..., "entries of the embedding and of the head")
    context_length: Count | None = option(None, "tokens of a sequence that it was made for; null: not said")
    tied_embeddings: Flag = option(False, "whether the head is the embedding")
    attention: dict[str, Any] = option(..., "of all layers but those of `other_attention`", allowed=says)
    other_attention: list[dict[str, Any]] = option(
        [], "of layers that attend otherwise", allowed="a list of the same, each with `layers`"
    )
    experts: ExpertsPart = option(..., "the routed and the shared ones", allowed="the table below")
    dense_intermediate: Size = option(0, "width of the feed-forward blocks of layers without experts; 0: none")
    router: RouterPart = option(..., "who is chosen", allowed="the table below")
    precision: PrecisionPart = option(PrecisionPart(), "how the parts are stored", allowed="the table below")
