"""Further families with grouped-query attention: what each calls the same few sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.families.deepseek import Glm4Moe
from moe_cosim.workloads.models.families.mixtral import Mixtral, Olmoe
from moe_cosim.workloads.models.family import Family, families
from moe_cosim.workloads.models.model import RouterScore


def _same_everywhere(found: object) -> object:
    """Of a list by layer, the number that all have."""
    if isinstance(found, list) and found:
        if any(value != found[0] for value in found):
            raise ValueError("one number, or the same for every layer")
        return found[0]
    return found


PerLayer = Annotated[Count, BeforeValidator(_same_everywhere)]


def _sliding(
    where: object, layers: int, kinds: list[str] | None, window: int | None, sliding: str, every: int = 0
) -> tuple[int | None, tuple[int, ...]]:
    """By `layer_types`, or where they are absent all layers but each `every`-th; 0: all of them."""
    if not window:
        return None, ()
    if kinds is None:
        return window, tuple(layer for layer in range(layers) if not every or (layer + 1) % every)
    if len(kinds) != layers:
        raise InputError(where, "layer_types", Plain(f"{len(kinds)} entries"), f"one for each of {layers} layers")
    return window, tuple(layer for layer, kind in enumerate(kinds) if kind == sliding)


@families.register("minimax_m2")
class MiniMaxM2(Mixtral):
    summary: ClassVar[str] = "MiniMax-M2: as Mixtral, routed by sigmoids with a bias"
    architectures: ClassVar[tuple[str, ...]] = ("MiniMaxM2ForCausalLM",)

    score: ClassVar[RouterScore] = "sigmoid-bias"


@families.register("llama4")
@families.register("llama4_text")
class Llama4(Family):
    """Layers that attend within chunks are entered as windows of that length, an upper bound."""

    summary: ClassVar[str] = "Llama 4: one expert and a shared one, in every or every second layer"
    architectures: ClassVar[tuple[str, ...]] = ("Llama4ForConditionalGeneration", "Llama4ForCausalLM")

    intermediate_size: Count
    """Of an expert, and of the shared one."""
    intermediate_size_mlp: Count = 16384
    num_local_experts: Few
    num_experts_per_tok: Count = 1
    interleave_moe_layer_step: Count = 1
    sparse_layers: list[Size] | None = Field(None, validation_alias="moe_layers")
    attention_chunk_size: Size | None = 8192
    layer_types: list[Literal["chunked_attention", "full_attention"]] | None = None
    """Absent: every fourth layer sees the full context."""

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        kinds: list[str] | None = list(self.layer_types) if self.layer_types is not None else None
        return _sliding(where, self.num_hidden_layers, kinds, self.attention_chunk_size, "chunked_attention", 4)

    def moe_layers(self) -> tuple[int, ...]:
        if self.sparse_layers is not None:
            return tuple(sorted({layer for layer in self.sparse_layers if layer < self.num_hidden_layers}))
        step = self.interleave_moe_layer_step
        return tuple(range(step - 1, self.num_hidden_layers, step))

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_local_experts,
            "intermediate": self.intermediate_size,
            "shared_intermediate": self.intermediate_size,
            "dense_intermediate": self.intermediate_size_mlp,
            "router_score": "sigmoid",
            "norm_topk_prob": False,
        }


@families.register("flex_olmo")
class FlexOlmo(Olmoe):
    summary: ClassVar[str] = "FlexOlmo: few large experts"
    architectures: ClassVar[tuple[str, ...]] = ("FlexOlmoForCausalLM",)


@families.register("granitemoe")
@families.register("granitemoeshared")
class GraniteMoe(Mixtral):
    """Absent: no shared expert."""

    summary: ClassVar[str] = "Granite 3 MoE: as Mixtral, some with a shared expert"
    architectures: ClassVar[tuple[str, ...]] = ("GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM")

    shared_intermediate_size: Size = 0

    def ffn(self) -> dict[str, Any]:
        return {**super().ffn(), "shared_intermediate": self.shared_intermediate_size}


@families.register("dbrx")
class Dbrx(Family):
    """Absent: what DbrxConfig has, which is not the published model."""

    summary: ClassVar[str] = "DBRX: sixteen experts in every layer, nested fields"
    architectures: ClassVar[tuple[str, ...]] = ("DbrxForCausalLM",)

    hidden_size: Count = Field(alias="d_model")
    num_hidden_layers: Few = Field(alias="n_layers")
    num_attention_heads: Count = Field(alias="n_heads")
    num_key_value_heads: Count | None = Field(1, validation_alias=AliasPath("attn_config", "kv_n_heads"))
    num_experts_per_tok: Count = Field(1, validation_alias=AliasPath("ffn_config", "moe_top_k"))
    experts: Few = Field(4, validation_alias=AliasPath("ffn_config", "moe_num_experts"))
    intermediate: Count = Field(3584, validation_alias=AliasPath("ffn_config", "ffn_hidden_size"))

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.experts,
            "intermediate": self.intermediate,
            "shared_intermediate": 0,
            "dense_intermediate": 0,
            "router_score": "softmax",
            "norm_topk_prob": True,
        }


@families.register("dots1")
class Dots1(Glm4Moe):
    """Absent: dots.llm1's (arXiv 2506.05767, table 1)."""

    summary: ClassVar[str] = "dots.llm1: as GLM-4.5, sliding windows where the file has them"
    architectures: ClassVar[tuple[str, ...]] = ("Dots1ForCausalLM",)

    head_dim: Count | None = None
    n_routed_experts: Few = 128
    num_experts_per_tok: Count = 6
    layer_types: list[str] | None = None
    sliding_window: Size | None = None

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        kinds = self.layer_types or ["full_attention"] * self.num_hidden_layers
        window, layers = _sliding(where, self.num_hidden_layers, kinds, self.sliding_window, "sliding_attention")
        return (window, layers) if layers else (None, ())


@families.register("ernie4_5_moe")
class Ernie45(Family):
    """The vision experts of the models that see are not counted. Absent: ERNIE-4.5-21B-A3B's."""

    summary: ClassVar[str] = "ERNIE 4.5: dense layers first, shared experts"
    architectures: ClassVar[tuple[str, ...]] = ("Ernie4_5_MoeForCausalLM",)

    intermediate_size: Count
    moe_intermediate_size: Count
    moe_num_experts: Few
    moe_num_shared_experts: Size = 2
    num_experts_per_tok: Count = Field(6, validation_alias=AliasChoices("moe_k", "num_experts_per_tok"))
    moe_layer_start_index: Size = 1
    moe_layer_end_index: int = -1
    """The last with experts; -1: the last layer."""
    moe_layer_interval: Count = 1

    def moe_layers(self) -> tuple[int, ...]:
        last = self.num_hidden_layers - 1
        end = min(self.moe_layer_end_index, last) if self.moe_layer_end_index >= 0 else last
        step = self.moe_layer_interval
        return tuple(layer for layer in range(self.moe_layer_start_index, end + 1) if (layer + 1) % step == 0)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.moe_num_experts,
            "intermediate": self.moe_intermediate_size,
            "shared_intermediate": self.moe_num_shared_experts * self.moe_intermediate_size,
            "dense_intermediate": self.intermediate_size,
            "router_score": "softmax",
            "norm_topk_prob": True,
        }


@families.register("hunyuan_v1_moe")
class Hunyuan(Family):
    """Lists by layer are read where all entries are the same."""

    summary: ClassVar[str] = "Hunyuan-A13B: experts and a shared one in every layer"
    architectures: ClassVar[tuple[str, ...]] = ("HunYuanMoEV1ForCausalLM",)

    intermediate_size: Count
    moe_intermediate_size: PerLayer | None = None
    """Absent: `intermediate_size`."""
    num_experts: Annotated[Few, BeforeValidator(_same_everywhere)]
    num_experts_per_tok: PerLayer = Field(1, validation_alias="moe_topk")
    num_shared_expert: PerLayer = 1

    def ffn(self) -> dict[str, Any]:
        width = self.moe_intermediate_size or self.intermediate_size
        return {
            "routed_experts": self.num_experts,
            "intermediate": width,
            "shared_intermediate": self.num_shared_expert * width,
            "dense_intermediate": 0,
            "router_score": "softmax",
            "norm_topk_prob": True,
        }


@families.register("afmoe")
class Afmoe(Family):
    """The gate of the attended values is one more projection as wide as the queries."""

    summary: ClassVar[str] = "Trinity: sliding windows, gated attention, dense layers first"
    architectures: ClassVar[tuple[str, ...]] = ("AfmoeForCausalLM",)

    intermediate_size: Count
    moe_intermediate_size: Count
    num_experts: Few
    num_shared_experts: Size = 1
    num_dense_layers: Size = 1
    layer_types: list[Literal["sliding_attention", "full_attention"]] | None = None
    global_attn_every_n_layers: Count = 4
    sliding_window: Size | None = 1024
    route_norm: Flag = True

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        kinds: list[str] | None = list(self.layer_types) if self.layer_types is not None else None
        every = self.global_attn_every_n_layers
        return _sliding(where, self.num_hidden_layers, kinds, self.sliding_window, "sliding_attention", every)

    def attention(self, where: object) -> Attention:
        return replace(super().attention(where), gated=True)

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(range(self.num_dense_layers, self.num_hidden_layers))

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.moe_intermediate_size,
            "shared_intermediate": self.num_shared_experts * self.moe_intermediate_size,
            "dense_intermediate": self.intermediate_size,
            "router_score": "sigmoid-bias",
            "norm_topk_prob": self.route_norm,
        }


@families.register("step3p5")
@families.register("step3p7")
class Step3(Glm4Moe):
    """The file's sliding layers have the same heads as the others. The gate of a head is one column, left out."""

    summary: ClassVar[str] = "Step-3.5-Flash and kin: three of four layers slide, dense layers first"
    architectures: ClassVar[tuple[str, ...]] = ("Step3p5ForCausalLM", "Step3p7FlashForCausalLM")

    n_routed_experts: Few = Field(validation_alias=AliasChoices("num_experts", "moe_num_experts"))
    num_experts_per_tok: Count = Field(validation_alias=AliasChoices("num_experts_per_tok", "moe_top_k"))
    n_shared_experts: Size | None = 1
    layer_types: list[str] | None = None
    sliding_window: Size | None = 512
    first_k_dense_replace: Size = 3

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        return _sliding(where, self.num_hidden_layers, self.layer_types, self.sliding_window, "sliding_attention")
