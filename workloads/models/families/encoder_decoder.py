"""Encoder-decoders: two stacks of layers, of which the second also attends to what the first gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from moe_cosim.errors import InputError
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.family import Family, families


class EncoderDecoder(Family):
    """Layers are numbered through both stacks. Feed-forward blocks are two matrices."""

    hidden_size: Count = Field(alias="d_model")
    tie_word_embeddings: Flag = True
    num_experts: Few

    def encoder_layer_count(self) -> int:
        return self.num_hidden_layers

    def sparse_layers(self) -> tuple[Iterable[int], Iterable[int]]:
        """Layers with experts of either stack, each counted from its own first."""
        raise NotImplementedError

    def moe_layers(self) -> tuple[int, ...]:
        encoder, decoder = self.sparse_layers()
        return (*encoder, *(self.encoder_layer_count() + layer for layer in decoder))

    def width(self) -> int:
        """Of an expert, and of the feed-forward block of a layer without."""
        raise NotImplementedError

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.width(),
            "matrices": 2,
            "shared_intermediate": 0,
            "dense_intermediate": self.width(),
            "router_score": "softmax",
            "norm_topk_prob": self.num_experts_per_tok > 1,
        }


@families.register("switch_transformers")
class SwitchTransformers(EncoderDecoder):
    """Absent: what SwitchTransformersConfig has. Positions are relative, so no length of the context is known."""

    summary: ClassVar[str] = "Switch Transformers: an encoder-decoder, one expert in every so many layers"
    architectures: ClassVar[tuple[str, ...]] = ("SwitchTransformersForConditionalGeneration",)

    num_hidden_layers: Few = Field(alias="num_layers")
    """Of the encoder."""
    num_decoder_layers: Few | None = None
    """Absent: as many."""
    num_attention_heads: Count = Field(alias="num_heads")
    head_dim: Count | None = Field(64, alias="d_kv")
    d_ff: Count
    num_sparse_encoder_layers: Size = 3
    num_sparse_decoder_layers: Size = 3
    num_experts_per_tok: Count = 1

    def model_layers(self) -> int:
        return self.num_hidden_layers + self.decoder_layer_count()

    def decoder_layer_count(self) -> int:
        """As many as the encoder's where the file does not say."""
        return self.num_decoder_layers or self.num_hidden_layers

    def sparse_layers(self) -> tuple[Iterable[int], Iterable[int]]:
        stacks = (
            (self.num_hidden_layers, self.num_sparse_encoder_layers),
            (self.decoder_layer_count(), self.num_sparse_decoder_layers),
        )
        encoder, decoder = (_every(layers, layers // sparse if sparse else 0, first=1) for layers, sparse in stacks)
        return encoder, decoder

    def width(self) -> int:
        return self.d_ff


@families.register("nllb-moe")
class NllbMoe(EncoderDecoder):
    """Both stacks must have the same heads and widths."""

    summary: ClassVar[str] = "NLLB-MoE: an encoder-decoder, two experts in every fourth layer"
    architectures: ClassVar[tuple[str, ...]] = ("NllbMoeForConditionalGeneration",)

    num_hidden_layers: Few = Field(alias="encoder_layers")
    decoder_layers: Few
    num_attention_heads: Count = Field(alias="encoder_attention_heads")
    decoder_attention_heads: Count
    encoder_ffn_dim: Count
    decoder_ffn_dim: Count
    encoder_sparse_step: Size = 4
    decoder_sparse_step: Size = 4
    num_experts: Few = 128
    num_experts_per_tok: Count = 2

    def model_layers(self) -> int:
        return self.num_hidden_layers + self.decoder_layers

    def sparse_layers(self) -> tuple[Iterable[int], Iterable[int]]:
        encoder = _every(self.num_hidden_layers, self.encoder_sparse_step, first=self.encoder_sparse_step - 1)
        return encoder, _every(self.decoder_layers, self.decoder_sparse_step, first=self.decoder_sparse_step - 1)

    def width(self) -> int:
        return self.encoder_ffn_dim

    def check(self, where: object) -> None:
        for field, found, allowed in (
            ("decoder_ffn_dim", self.decoder_ffn_dim, self.encoder_ffn_dim),
            ("decoder_attention_heads", self.decoder_attention_heads, self.num_attention_heads),
        ):
            if found != allowed:
                raise InputError(where, field, found, f"{allowed}, as in the encoder")


def _every(layers: int, step: int, first: int) -> range:
    """Every `step`-th layer from `first` on, all where `step` is 1; 0: none."""
    return range(first if step > 1 else 0, layers, step) if step else range(0)
